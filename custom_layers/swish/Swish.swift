import CoreML
import Foundation
import Metal

/// x · σ(βx). β is the parameter "beta", else the first weight, else 1.
#if canImport(ObjectiveC)
@objc(Swish)
#endif
final class Swish: NSObject, MLCustomLayer {
    private var beta: Double
    private let betaIsGiven: Bool
    private let kernels = LayerKernels()

    required init(parameters: [String: Any]) throws {
        let given = try LayerParameters(layer: "Swish", values: parameters).number("beta")
        beta = given ?? 1
        betaIsGiven = given != nil
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {
        guard !betaIsGiven, let first = weights.first else { return }
        guard let learned = try layerWeight(first, layer: "Swish").first else {
            throw LayerError("Swish: the weight beta is empty")
        }
        beta = Double(learned)
    }

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        inputShapes
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            let beta = self.beta
            try evaluateElements(Double.self, inputs, outputs) { $0 / (1 + exp(-beta * $0)) }
        } else {
            let beta = Float(self.beta)
            try evaluateElements(Float.self, inputs, outputs) { $0 / (1 + exp(-beta * $0)) }
        }
    }

    private struct Parameters {
        var beta: Float
    }

    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        try kernels.encode(
            "swish", commandBuffer: commandBuffer, textures: [inputs[0], outputs[0]],
            parameters: Parameters(beta: Float(beta)), output: outputs[0])
    }
}
