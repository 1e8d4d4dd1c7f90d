// Metal pipelines of custom layers: found by name, bound and dispatched over the output's texels.

import Foundation
import Metal

/// The compute pipelines of a layer. They are made at the first call of encode, on the device that runs it.
final class LayerKernels {
    private var pipelines: [String: MTLComputePipelineState] = [:]

    private static var bundle: Bundle {
        #if SWIFT_PACKAGE && !os(Linux)
        return Bundle.module
        #else
        return Bundle(for: LayerKernels.self)
        #endif
    }

    /// Kernels come from the default library of the bundle that holds the layer's class.
    private func pipeline(_ name: String, device: MTLDevice) throws -> MTLComputePipelineState {
        if let known = pipelines[name] { return known }
        let library = try device.makeDefaultLibrary(bundle: LayerKernels.bundle)
        guard let function = library.makeFunction(name: name) else {
            throw LayerError("the kernel \(name) is missing: add the layer's .metal file to the same target")
        }
        let made = try device.makeComputePipelineState(function: function)
        pipelines[name] = made
        return made
    }

    /// Run a kernel for every texel of `output`. The name ends in _2d or _2d_array, as the texture is.
    func encode<Parameters>(
        _ stem: String, commandBuffer: MTLCommandBuffer, textures: [MTLTexture], parameters: Parameters?,
        buffers: [MTLBuffer] = [], output: MTLTexture
    ) throws {
        let name = stem + (output.textureType == .type2DArray ? "_2d_array" : "_2d")
        let state = try pipeline(name, device: commandBuffer.device)
        let width = max(1, state.threadExecutionWidth)
        let height = max(1, state.maxTotalThreadsPerThreadgroup / width)
        let group = MTLSize(width: width, height: height, depth: 1)
        let groups = MTLSize(
            width: (output.width + width - 1) / width, height: (output.height + height - 1) / height,
            depth: output.arrayLength)
        try dispatch(
            state, commandBuffer: commandBuffer, textures: textures, parameters: parameters, buffers: buffers,
            groups: groups, group: group)
    }

    /// Run a kernel for `count` threads in a row. `like` decides between _2d and _2d_array.
    func encode<Parameters>(
        _ stem: String, commandBuffer: MTLCommandBuffer, textures: [MTLTexture], parameters: Parameters?,
        buffers: [MTLBuffer], count: Int, like texture: MTLTexture
    ) throws {
        let name = stem + (texture.textureType == .type2DArray ? "_2d_array" : "_2d")
        let state = try pipeline(name, device: commandBuffer.device)
        let width = max(1, state.threadExecutionWidth)
        try dispatch(
            state, commandBuffer: commandBuffer, textures: textures, parameters: parameters, buffers: buffers,
            groups: MTLSize(width: (count + width - 1) / width, height: 1, depth: 1),
            group: MTLSize(width: width, height: 1, depth: 1))
    }

    /// Core ML owns the command buffer: a layer ends its encoder and never commits.
    private func dispatch<Parameters>(
        _ state: MTLComputePipelineState, commandBuffer: MTLCommandBuffer, textures: [MTLTexture],
        parameters: Parameters?, buffers: [MTLBuffer], groups: MTLSize, group: MTLSize
    ) throws {
        guard let encoder = commandBuffer.makeComputeCommandEncoder() else {
            throw LayerError("the command buffer gives no compute encoder")
        }
        encoder.setComputePipelineState(state)
        for (index, texture) in textures.enumerated() { encoder.setTexture(texture, index: index) }
        var next = 0
        if var bytes = parameters {
            encoder.setBytes(&bytes, length: MemoryLayout<Parameters>.stride, index: next)
            next += 1
        }
        for buffer in buffers {
            encoder.setBuffer(buffer, offset: 0, index: next)
            next += 1
        }
        encoder.dispatchThreadgroups(groups, threadsPerThreadgroup: group)
        encoder.endEncoding()
    }
}

/// Parameters of a kernel that takes none.
struct NoParameters {}
