import CoreML
import Foundation
import Metal

/// [.., C·r², H, W] to [.., C, H·r, W·r]; r is the parameter upscale_factor.
#if canImport(ObjectiveC)
@objc(PixelShuffle)
#endif
final class PixelShuffle: NSObject, MLCustomLayer {
    private let factor: Int
    private let kernels = LayerKernels()

    required init(parameters: [String: Any]) throws {
        factor = try LayerParameters(layer: "PixelShuffle", values: parameters).size("upscale_factor")
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {}

    private func outputShape(_ shape: [Int]) throws -> [Int] {
        guard shape.count >= 3, shape[shape.count - 3] % (factor * factor) == 0 else {
            throw LayerError("PixelShuffle: the channels of \(shape) are not a multiple of \(factor)²")
        }
        var result = shape
        result[shape.count - 3] /= factor * factor
        result[shape.count - 2] *= factor
        result[shape.count - 1] *= factor
        return result
    }

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        // Core ML also asks with sizes of zero while it loads a model; they stay zero.
        [try outputShape(inputShapes[0].map(\.intValue)).map { NSNumber(value: $0) }]
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            try outputs[0].store(try shuffled(inputs[0].layerTensor(Double.self)))
        } else {
            try outputs[0].store(try shuffled(inputs[0].layerTensor(Float.self)))
        }
    }

    private func shuffled<Scalar: BinaryFloatingPoint>(_ input: LayerTensor<Scalar>) throws -> LayerTensor<Scalar> {
        var result = LayerTensor<Scalar>(shape: try outputShape(input.shape))
        let (rows, columns) = (input.size(fromEnd: 2), input.size(fromEnd: 1))
        let (height, width) = (rows * factor, columns * factor)
        let planes = result.values.count / max(1, height * width)
        for plane in 0..<planes {
            for row in 0..<height {
                for column in 0..<width {
                    let channel = (plane * factor + row % factor) * factor + column % factor
                    let source = (channel * rows + row / factor) * columns + column / factor
                    result.values[(plane * height + row) * width + column] = input.values[source]
                }
            }
        }
        return result
    }

    private struct Parameters {
        var factor: Int32
    }

    /// Of a single picture: textures do not tell where the slices of a second one begin.
    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        let stem = inputs[0].textureType == .type2DArray ? "pixel_shuffle" : "pixel_shuffle_plain"
        try kernels.encode(
            stem, commandBuffer: commandBuffer, textures: [inputs[0], outputs[0]],
            parameters: Parameters(factor: Int32(factor)), output: outputs[0])
    }
}
