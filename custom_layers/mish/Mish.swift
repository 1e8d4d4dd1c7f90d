import CoreML
import Foundation
import Metal

/// x · tanh(ln(1 + eˣ)).
#if canImport(ObjectiveC)
@objc(Mish)
#endif
final class Mish: NSObject, MLCustomLayer {
    private let kernels = LayerKernels()

    required init(parameters: [String: Any]) throws {
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {}

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        inputShapes
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        // ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), which does not overflow.
        if try layerUsesDouble(inputs + outputs) {
            try evaluateElements(Double.self, inputs, outputs) { $0 * tanh(max($0, 0) + log1p(exp(-abs($0)))) }
        } else {
            try evaluateElements(Float.self, inputs, outputs) { $0 * tanh(max($0, 0) + log1p(exp(-abs($0)))) }
        }
    }

    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        try kernels.encode(
            "mish", commandBuffer: commandBuffer, textures: [inputs[0], outputs[0]],
            parameters: NoParameters?.none, output: outputs[0])
    }
}
