// Linux only: the protocol of custom layers, as MLCustomLayer.h declares it.

import Foundation
import Metal

public protocol MLCustomLayer {
    init(parameters: [String: Any]) throws
    func setWeightData(_ weights: [Data]) throws
    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]]
    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws
    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws
}

extension MLCustomLayer {
    /// Optional in Core ML.
    public func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        throw MissingEncode()
    }
}

public struct MissingEncode: Error {}
