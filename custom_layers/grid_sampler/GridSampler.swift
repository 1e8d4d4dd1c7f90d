import CoreML
import Foundation
import Metal

/// Bilinear sampling of a picture [.., C, H, W] through an affine map of six numbers a picture (spatial transformer).
///
/// Parameters: output_height, output_width; align_corners (true); padding_mode (zeros, border, reflection);
/// convention ("" or stn_keras, the sampling of early Keras spatial transformers).
#if canImport(ObjectiveC)
@objc(GridSampler)
#endif
final class GridSampler: NSObject, MLCustomLayer {
    private enum Padding: String, CaseIterable {
        case zeros, border, reflection

        /// As the kernel numbers them.
        var code: Int32 { Int32(Padding.allCases.firstIndex(of: self)!) }
    }

    private let height: Int
    private let width: Int
    private let alignCorners: Bool
    private let padding: Padding
    private let likeEarlyKeras: Bool
    private let kernels = LayerKernels()

    required init(parameters: [String: Any]) throws {
        let parameters = LayerParameters(layer: "GridSampler", values: parameters)
        height = try parameters.size("output_height")
        width = try parameters.size("output_width")
        alignCorners = try parameters.flag("align_corners", default: true)
        let modes = Padding.allCases.map(\.rawValue)
        padding = Padding(rawValue: try parameters.text("padding_mode", default: "zeros", oneOf: modes))!
        likeEarlyKeras = try parameters.text("convention", default: "", oneOf: ["", "stn_keras"]) == "stn_keras"
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {}

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        // Core ML also asks with sizes of zero while it loads a model.
        [inputShapes[0].dropLast(2) + [NSNumber(value: height), NSNumber(value: width)]]
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            try outputs[0].store(try sampled(inputs[0].layerTensor(Double.self), inputs[1].layerTensor(Double.self)))
        } else {
            try outputs[0].store(try sampled(inputs[0].layerTensor(Float.self), inputs[1].layerTensor(Float.self)))
        }
    }

    private func sampled<Scalar: BinaryFloatingPoint>(
        _ pictures: LayerTensor<Scalar>, _ theta: LayerTensor<Scalar>
    ) throws -> LayerTensor<Scalar> {
        let count = pictures.count(ofRank: 3)
        let channels = pictures.size(fromEnd: 3)
        let (rows, columns) = (pictures.size(fromEnd: 2), pictures.size(fromEnd: 1))
        guard theta.values.count == 6 * count else {
            throw LayerError("GridSampler has \(count) pictures but \(theta.values.count) numbers of maps, not six each")
        }
        var result = LayerTensor<Scalar>(shape: pictures.shape.dropLast(2) + [height, width])
        for picture in 0..<count {
            let t = Array(theta.values[(6 * picture)..<(6 * picture + 6)])
            for row in 0..<height {
                let v: Scalar = base(row, of: height)
                for column in 0..<width {
                    let u: Scalar = base(column, of: width)
                    let x = t[0] * u + t[1] * v + t[2]
                    let y = t[3] * u + t[4] * v + t[5]
                    // Positions that are no numbers look nowhere.
                    if x.isNaN || y.isNaN { continue }
                    if likeEarlyKeras && !(x.isFinite && y.isFinite) { continue }
                    let across = corners(x, size: columns)
                    let down = corners(y, size: rows)
                    for channel in 0..<channels {
                        let plane = (picture * channels + channel) * rows * columns
                        func element(_ row: Int, _ column: Int) -> Scalar {
                            guard row >= 0, column >= 0, row < rows, column < columns else { return 0 }
                            return pictures.values[plane + row * columns + column]
                        }
                        var upper: Scalar = element(down.low, across.low) * across.lowShare
                        upper += element(down.low, across.high) * across.highShare
                        var lower: Scalar = element(down.high, across.low) * across.lowShare
                        lower += element(down.high, across.high) * across.highShare
                        let target = ((picture * channels + channel) * height + row) * width + column
                        result.values[target] = upper * down.lowShare + lower * down.highShare
                    }
                }
            }
        }
        return result
    }

    /// Where an output element lies in −1..1; a single element with aligned corners lies in the middle.
    private func base<Scalar: BinaryFloatingPoint>(_ index: Int, of size: Int) -> Scalar {
        if !alignCorners { return Scalar(2 * index + 1) / Scalar(size) - 1 }
        return size > 1 ? 2 * Scalar(index) / Scalar(size - 1) - 1 : 0
    }

    /// The two elements beside a position, and their shares.
    private struct Corners<Scalar> {
        var low: Int
        var high: Int
        var lowShare: Scalar
        var highShare: Scalar
    }

    private func corners<Scalar: BinaryFloatingPoint>(_ normalized: Scalar, size: Int) -> Corners<Scalar> {
        if likeEarlyKeras {
            let position: Scalar = min(max((normalized + 1) * Scalar(size) / 2, -1e9), 1e9)
            let truncated = Int(position)
            let low = min(max(truncated, 0), size - 1)
            let high = min(max(truncated + 1, 0), size - 1)
            return Corners(low: low, high: high, lowShare: Scalar(high) - position, highShare: position - Scalar(low))
        }
        var pixel = normalized + 1
        if alignCorners {
            pixel *= Scalar(size - 1) / 2
        } else {
            pixel = (pixel * Scalar(size) - 1) / 2
        }
        if padding == .reflection { pixel = reflected(pixel, size: size) }
        if padding == .zeros {
            pixel = min(max(pixel, -1), Scalar(size))
        } else {
            pixel = min(max(pixel, 0), Scalar(size - 1))
        }
        let below = pixel.rounded(.down)
        let share = pixel - below
        return Corners(low: Int(below), high: Int(below) + 1, lowShare: 1 - share, highShare: share)
    }

    private func reflected<Scalar: BinaryFloatingPoint>(_ pixel: Scalar, size: Int) -> Scalar {
        let low: Scalar = alignCorners ? 0 : -0.5
        let span = alignCorners ? Scalar(size - 1) : Scalar(size)
        guard span > 0, pixel.isFinite else { return 0 }
        let turns = ((pixel - low) / (2 * span)).rounded(.down)
        let folded = (pixel - low) - turns * 2 * span
        return min(folded, 2 * span - folded) + low
    }

    private struct Parameters {
        var slices: Int32
        var alignCorners: Int32
        var paddingMode: Int32
        var likeEarlyKeras: Int32
    }

    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        // theta's six numbers fill two slices a picture.
        let pictures = max(1, inputs[1].arrayLength / 2)
        let parameters = Parameters(
            slices: Int32(max(1, inputs[0].arrayLength / pictures)), alignCorners: alignCorners ? 1 : 0,
            paddingMode: padding.code, likeEarlyKeras: likeEarlyKeras ? 1 : 0)
        try kernels.encode(
            "grid_sampler", commandBuffer: commandBuffer, textures: [inputs[0], inputs[1], outputs[0]],
            parameters: parameters, output: outputs[0])
    }
}
