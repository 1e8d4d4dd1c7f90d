import CoreML
import Foundation
import Metal

/// kraken's dropout, which does nothing when a model predicts.
#if canImport(ObjectiveC)
@objc(dropout)
#endif
final class KrakenDropout: NSObject, MLCustomLayer {
    private let kernels = LayerKernels()

    required init(parameters: [String: Any]) throws {
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {}

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        inputShapes
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            try outputs[0].store(try inputs[0].layerTensor(Double.self))
        } else {
            try outputs[0].store(try inputs[0].layerTensor(Float.self))
        }
    }

    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        try kernels.encode(
            "kraken_dropout", commandBuffer: commandBuffer, textures: [inputs[0], outputs[0]],
            parameters: NoParameters?.none, output: outputs[0])
    }
}
