// Linux only: as much of Metal's interface as the encode methods of custom layers use.

import Foundation

public enum MTLTextureType { case type2D, type2DArray }

public struct MTLSize {
    public var width: Int
    public var height: Int
    public var depth: Int

    public init(width: Int, height: Int, depth: Int) {
        self.width = width
        self.height = height
        self.depth = depth
    }
}

public struct MTLResourceOptions: OptionSet {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    public static let storageModeShared = MTLResourceOptions([])
    public static let storageModePrivate = MTLResourceOptions(rawValue: 32)
}

public protocol MTLTexture: AnyObject {
    var width: Int { get }
    var height: Int { get }
    var arrayLength: Int { get }
    var textureType: MTLTextureType { get }
}

public protocol MTLBuffer: AnyObject {
    var length: Int { get }
    func contents() -> UnsafeMutableRawPointer
}

public protocol MTLFunction: AnyObject {
    var name: String { get }
}

public protocol MTLLibrary: AnyObject {
    func makeFunction(name functionName: String) -> MTLFunction?
}

public protocol MTLComputePipelineState: AnyObject {
    var threadExecutionWidth: Int { get }
    var maxTotalThreadsPerThreadgroup: Int { get }
}

public protocol MTLDevice: AnyObject {
    func makeDefaultLibrary(bundle: Bundle) throws -> MTLLibrary
    func makeComputePipelineState(function: MTLFunction) throws -> MTLComputePipelineState
    func makeBuffer(length: Int, options: MTLResourceOptions) -> MTLBuffer?
    func makeBuffer(bytes: UnsafeRawPointer, length: Int, options: MTLResourceOptions) -> MTLBuffer?
}

public protocol MTLComputeCommandEncoder: AnyObject {
    func setComputePipelineState(_ state: MTLComputePipelineState)
    func setTexture(_ texture: MTLTexture?, index: Int)
    func setBytes(_ bytes: UnsafeRawPointer, length: Int, index: Int)
    func setBuffer(_ buffer: MTLBuffer?, offset: Int, index: Int)
    func dispatchThreadgroups(_ threadgroupsPerGrid: MTLSize, threadsPerThreadgroup: MTLSize)
    func endEncoding()
}

public protocol MTLCommandBuffer: AnyObject {
    var device: MTLDevice { get }
    func makeComputeCommandEncoder() -> MTLComputeCommandEncoder?
    func commit()
}
