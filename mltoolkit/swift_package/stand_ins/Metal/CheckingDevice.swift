// Linux only: a device that runs kernels, compiled as C++, on the processor, and notes what a GPU would forgive.

import Foundation
import KernelRunner

/// Half RGBA texels [slices][height][width][4], and how often each was written.
public final class CheckingTexture: MTLTexture {
    public let width: Int
    public let height: Int
    public let arrayLength: Int
    public let textureType: MTLTextureType
    public let values: UnsafeMutablePointer<UInt16>
    public let writes: UnsafeMutablePointer<Int32>

    public init(width: Int, height: Int, slices: Int, isArray: Bool, halves: [UInt16]) {
        self.width = width
        self.height = height
        arrayLength = slices
        textureType = isArray ? .type2DArray : .type2D
        let texels = width * height * slices
        precondition(halves.count == 4 * texels)
        values = .allocate(capacity: max(1, 4 * texels))
        values.initialize(from: halves, count: halves.count)
        writes = .allocate(capacity: max(1, texels))
        writes.initialize(repeating: 0, count: texels)
    }

    deinit {
        values.deallocate()
        writes.deallocate()
    }

    public var halves: [UInt16] { Array(UnsafeBufferPointer(start: values, count: 4 * width * height * arrayLength)) }
    public var writesPerTexel: [Int32] { Array(UnsafeBufferPointer(start: writes, count: width * height * arrayLength)) }
}

public final class CheckingBuffer: MTLBuffer {
    public let length: Int
    private let memory: UnsafeMutableRawPointer

    init(length: Int) {
        self.length = length
        memory = .allocate(byteCount: max(1, length), alignment: 16)
        // What nobody wrote must be noticed.
        memset(memory, 0xFF, length)
    }

    deinit { memory.deallocate() }

    public func contents() -> UnsafeMutableRawPointer { memory }
}

final class NamedFunction: MTLFunction {
    let name: String
    init(name: String) { self.name = name }
}

final class KernelLibrary: MTLLibrary {
    func makeFunction(name functionName: String) -> MTLFunction? {
        kernel_exists(functionName) != 0 ? NamedFunction(name: functionName) : nil
    }
}

final class PipelineState: MTLComputePipelineState {
    let function: MTLFunction
    let threadExecutionWidth = 4
    let maxTotalThreadsPerThreadgroup = 12
    init(function: MTLFunction) { self.function = function }
}

public final class CheckingDevice: MTLDevice {
    public init() {}

    public func makeDefaultLibrary(bundle: Bundle) throws -> MTLLibrary { KernelLibrary() }

    public func makeComputePipelineState(function: MTLFunction) throws -> MTLComputePipelineState {
        PipelineState(function: function)
    }

    public func makeBuffer(length: Int, options: MTLResourceOptions) -> MTLBuffer? { CheckingBuffer(length: length) }

    public func makeBuffer(bytes: UnsafeRawPointer, length: Int, options: MTLResourceOptions) -> MTLBuffer? {
        let buffer = CheckingBuffer(length: length)
        buffer.contents().copyMemory(from: bytes, byteCount: length)
        return buffer
    }
}

public final class CheckingCommandBuffer: MTLCommandBuffer {
    public let device: MTLDevice
    /// What a layer did wrong, in words; empty at the end of a good encode.
    public internal(set) var faults: [String] = []
    public internal(set) var dispatches = 0
    private var open: CheckingEncoder?

    public init(device: MTLDevice) { self.device = device }

    public func makeComputeCommandEncoder() -> MTLComputeCommandEncoder? {
        if open != nil { faults.append("an encoder is made while another is open") }
        let encoder = CheckingEncoder(owner: self)
        open = encoder
        return encoder
    }

    public func commit() { faults.append("the layer commits a command buffer that belongs to Core ML") }

    func ended(_ encoder: CheckingEncoder) {
        if open !== encoder { faults.append("endEncoding is called twice") }
        open = nil
    }

    /// To be called when encode has returned.
    public func finish() {
        if open != nil { faults.append("endEncoding is not called") }
        if dispatches == 0 { faults.append("nothing is dispatched") }
    }
}

final class CheckingEncoder: MTLComputeCommandEncoder {
    private let owner: CheckingCommandBuffer
    private var state: PipelineState?
    private var textures: [Int: CheckingTexture] = [:]
    private var buffers: [Int: (memory: UnsafeMutableRawPointer, length: Int)] = [:]
    private var kept: [Any] = []

    init(owner: CheckingCommandBuffer) { self.owner = owner }

    func setComputePipelineState(_ state: MTLComputePipelineState) { self.state = state as? PipelineState }

    func setTexture(_ texture: MTLTexture?, index: Int) { textures[index] = texture as? CheckingTexture }

    func setBytes(_ bytes: UnsafeRawPointer, length: Int, index: Int) {
        let copy = CheckingBuffer(length: length)
        copy.contents().copyMemory(from: bytes, byteCount: length)
        kept.append(copy)
        buffers[index] = (copy.contents(), length)
    }

    func setBuffer(_ buffer: MTLBuffer?, offset: Int, index: Int) {
        guard let buffer else { return }
        kept.append(buffer)
        buffers[index] = (buffer.contents() + offset, buffer.length - offset)
    }

    func dispatchThreadgroups(_ threadgroupsPerGrid: MTLSize, threadsPerThreadgroup: MTLSize) {
        owner.dispatches += 1
        guard let state else {
            owner.faults.append("no pipeline state is set")
            return
        }
        let threads = threadsPerThreadgroup.width * threadsPerThreadgroup.height * threadsPerThreadgroup.depth
        if threads > state.maxTotalThreadsPerThreadgroup {
            owner.faults.append("\(threads) threads in a group, the pipeline allows \(state.maxTotalThreadsPerThreadgroup)")
        }
        let ordered = textures.keys.sorted().map { textures[$0]! }
        let places = buffers.keys.sorted()
        if places != Array(0..<places.count) { owner.faults.append("buffers are bound at \(places)") }
        var surfaces = ordered.map {
            KernelTexture(
                width: Int32($0.width), height: Int32($0.height), slices: Int32($0.arrayLength), values: $0.values,
                writes: $0.writes)
        }
        let kinds = ordered.map { Int32($0.textureType == .type2DArray ? 1 : 0) }
        var bindings = places.map { KernelBuffer(bytes: buffers[$0]!.memory, length: buffers[$0]!.length) }
        let grid = [
            Int32(threadgroupsPerGrid.width * threadsPerThreadgroup.width),
            Int32(threadgroupsPerGrid.height * threadsPerThreadgroup.height),
            Int32(threadgroupsPerGrid.depth * threadsPerThreadgroup.depth),
        ]
        var message = [CChar](repeating: 0, count: 512)
        let failed = run_kernel(
            state.function.name, &surfaces, kinds, Int32(surfaces.count), &bindings, Int32(bindings.count), grid,
            &message, message.count)
        if failed != 0 {
            let text = String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            owner.faults.append("\(state.function.name): \(text)")
        }
    }

    func endEncoding() { owner.ended(self) }
}
