// Linux only: as much of Core ML's interface as custom layers and models see.

import Foundation

public enum MLMultiArrayDataType: Int {
    case double = 65600
    case float32 = 65568
    case float16 = 65552
    case int32 = 131104
}

public final class MLMultiArray {
    public let shape: [NSNumber]
    public let strides: [NSNumber]
    public let dataType: MLMultiArrayDataType
    public let dataPointer: UnsafeMutableRawPointer
    private let deallocator: ((UnsafeMutableRawPointer) -> Void)?

    public init(
        dataPointer: UnsafeMutableRawPointer, shape: [NSNumber], dataType: MLMultiArrayDataType, strides: [NSNumber],
        deallocator: ((UnsafeMutableRawPointer) -> Void)? = nil
    ) throws {
        self.dataPointer = dataPointer
        self.shape = shape
        self.dataType = dataType
        self.strides = strides
        self.deallocator = deallocator
    }

    deinit {
        deallocator?(dataPointer)
    }
}
