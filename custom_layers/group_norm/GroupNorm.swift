import CoreML
import Foundation
import Metal

/// Group normalization of [.., C, H, W]: parameters num_groups and epsilon (1e-5); weights scale and shift, or none.
#if canImport(ObjectiveC)
@objc(GroupNorm)
#endif
class GroupNorm: NSObject, MLCustomLayer {
    private let groups: Int
    private let epsilon: Double
    private var scale: [Float] = []
    private var shift: [Float] = []
    private let kernels = LayerKernels()

    required init(parameters: [String: Any]) throws {
        let parameters = LayerParameters(layer: "GroupNorm", values: parameters)
        groups = try parameters.size("num_groups")
        epsilon = try parameters.number("epsilon") ?? 1e-5
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {
        guard weights.count == 2 || weights.isEmpty else {
            throw LayerError("GroupNorm has scale and shift or no weights, not \(weights.count)")
        }
        let numbers = try weights.map { try layerWeight($0, layer: "GroupNorm") }
        guard numbers.count == 2 else { return }
        guard numbers[0].count == numbers[1].count else {
            throw LayerError("GroupNorm: scale has \(numbers[0].count) numbers, shift \(numbers[1].count)")
        }
        (scale, shift) = (numbers[0], numbers[1])
    }

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        inputShapes
    }

    private func check(channels: Int) throws {
        guard channels % groups == 0 else {
            throw LayerError("GroupNorm: \(channels) channels are not a multiple of the \(groups) groups")
        }
        guard scale.isEmpty || scale.count == channels else {
            throw LayerError("GroupNorm: the weights are for \(scale.count) channels, the input has \(channels)")
        }
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            try outputs[0].store(try normalized(inputs[0].layerTensor(Double.self)))
        } else {
            try outputs[0].store(try normalized(inputs[0].layerTensor(Float.self)))
        }
    }

    private func normalized<Scalar: BinaryFloatingPoint>(_ input: LayerTensor<Scalar>) throws -> LayerTensor<Scalar> {
        let channels = input.size(fromEnd: 3)
        let plane = input.size(fromEnd: 2) * input.size(fromEnd: 1)
        try check(channels: channels)
        let each = channels / groups
        let count = each * plane
        var result = input
        for group in 0..<(input.count(ofRank: 3) * groups) where count > 0 {
            let first = group * count
            var sum = Scalar(0)
            for index in first..<(first + count) { sum += input.values[index] }
            let mean = sum / Scalar(count)
            var squares = Scalar(0)
            for index in first..<(first + count) {
                let apart = input.values[index] - mean
                squares += apart * apart
            }
            let factor = 1 / (squares / Scalar(count) + Scalar(epsilon)).squareRoot()
            for channel in 0..<each {
                let number = group % groups * each + channel
                let gain = scale.isEmpty ? 1 : Scalar(scale[number])
                let offset = shift.isEmpty ? 0 : Scalar(shift[number])
                let start = first + channel * plane
                for index in start..<(start + plane) {
                    result.values[index] = (input.values[index] - mean) * factor * gain + offset
                }
            }
        }
        return result
    }

    private struct Parameters {
        var channels: Int32
        var groups: Int32
        var pictures: Int32
        var affine: Int32
        var epsilon: Float
    }

    /// A texture does not say how many of its last four channels are used, nor how many pictures it holds: that many
    /// are taken as the weights say, in as many pictures as fill the slices; without weights all lanes of one picture.
    func encode(commandBuffer: MTLCommandBuffer, inputs: [MTLTexture], outputs: [MTLTexture]) throws {
        let slices = inputs[0].arrayLength
        let channels = scale.isEmpty ? slices * 4 : scale.count
        try check(channels: channels)
        let pictures = max(1, slices / ((channels + 3) / 4))
        let parameters = Parameters(
            channels: Int32(channels), groups: Int32(groups), pictures: Int32(pictures),
            affine: scale.isEmpty ? 0 : 1, epsilon: Float(epsilon))
        let numbers = scale.isEmpty ? [Float(0)] : scale + shift
        let device = commandBuffer.device
        let length = groups * pictures * MemoryLayout<SIMD2<Float>>.stride
        guard let statistics = device.makeBuffer(length: length, options: .storageModePrivate),
            let weights = numbers.withUnsafeBytes({
                device.makeBuffer(bytes: $0.baseAddress!, length: $0.count, options: .storageModeShared)
            })
        else { throw LayerError("GroupNorm: the device has no memory left") }
        try kernels.encode(
            "group_norm_statistics", commandBuffer: commandBuffer, textures: [inputs[0]], parameters: parameters,
            buffers: [statistics], count: groups * pictures, like: inputs[0])
        try kernels.encode(
            "group_norm", commandBuffer: commandBuffer, textures: [inputs[0], outputs[0]], parameters: parameters,
            buffers: [statistics, weights], output: outputs[0])
    }
}
