import CoreML
import Foundation

/// Bilinear sampling of a picture [.., C, H, W] at a grid [.., 2, h, w] of (x, y) in −1..1, zeros outside.
///
/// Parameters: align_corners (true). It runs on the CPU.
#if canImport(ObjectiveC)
@objc(GridSampleLayer)
#endif
final class GridSampleLayer: NSObject, MLCustomLayer {
    private let alignCorners: Bool

    required init(parameters: [String: Any]) throws {
        let parameters = LayerParameters(layer: "GridSampleLayer", values: parameters)
        alignCorners = try parameters.flag("align_corners", default: true)
        _ = try parameters.text("padding_mode", default: "zeros", oneOf: ["zeros"])
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {}

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        guard inputShapes.count == 2 else { throw LayerError("GridSampleLayer has two inputs, picture and grid") }
        return [inputShapes[0].dropLast(2) + inputShapes[1].suffix(2)]
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            try outputs[0].store(try sampled(inputs[0].layerTensor(Double.self), inputs[1].layerTensor(Double.self)))
        } else {
            try outputs[0].store(try sampled(inputs[0].layerTensor(Float.self), inputs[1].layerTensor(Float.self)))
        }
    }

    private func sampled<Scalar: BinaryFloatingPoint>(
        _ pictures: LayerTensor<Scalar>, _ grid: LayerTensor<Scalar>
    ) throws -> LayerTensor<Scalar> {
        let count = pictures.count(ofRank: 3)
        let channels = pictures.size(fromEnd: 3)
        let (rows, columns) = (pictures.size(fromEnd: 2), pictures.size(fromEnd: 1))
        let (height, width) = (grid.size(fromEnd: 2), grid.size(fromEnd: 1))
        guard grid.values.count == count * 2 * height * width else {
            throw LayerError("GridSampleLayer: the grid has shape \(grid.shape), the pictures \(pictures.shape)")
        }
        var result = LayerTensor<Scalar>(shape: pictures.shape.dropLast(2) + [height, width])
        for picture in 0..<count {
            for place in 0..<(height * width) {
                let x = pixel(grid.values[picture * 2 * height * width + place], size: columns)
                let y = pixel(grid.values[(picture * 2 + 1) * height * width + place], size: rows)
                // Positions that are no numbers look nowhere.
                if x.isNaN || y.isNaN { continue }
                let (left, top) = (x.rounded(.down), y.rounded(.down))
                let (toRight, toBottom) = (x - left, y - top)
                for channel in 0..<channels {
                    let plane = (picture * channels + channel) * rows * columns
                    func element(_ row: Int, _ column: Int) -> Scalar {
                        guard row >= 0, column >= 0, row < rows, column < columns else { return 0 }
                        return pictures.values[plane + row * columns + column]
                    }
                    let (row, column) = (Int(top), Int(left))
                    let upper = element(row, column) * (1 - toRight) + element(row, column + 1) * toRight
                    let lower = element(row + 1, column) * (1 - toRight) + element(row + 1, column + 1) * toRight
                    result.values[(picture * channels + channel) * height * width + place] =
                        upper * (1 - toBottom) + lower * toBottom
                }
            }
        }
        return result
    }

    /// A coordinate of −1..1 in elements; what lies far outside is moved onto the zeros beside the picture.
    private func pixel<Scalar: BinaryFloatingPoint>(_ normalized: Scalar, size: Int) -> Scalar {
        var position = normalized + 1
        if alignCorners {
            position *= Scalar(size - 1) / 2
        } else {
            position = (position * Scalar(size) - 1) / 2
        }
        return position.isNaN ? position : min(max(position, -1), Scalar(size))
    }
}
