// Multi-arrays as plain tensors: whatever the strides and the element type, a layer computes on contiguous numbers.

import CoreML
import Foundation

/// What is wrong with a custom layer or the arrays it was given.
struct LayerError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// Numbers in row-major order. Layers compute in Float, or in Double where the arrays hold doubles.
struct LayerTensor<Scalar: BinaryFloatingPoint> {
    var shape: [Int]
    var values: [Scalar]

    init(shape: [Int], values: [Scalar]) {
        self.shape = shape
        self.values = values
    }

    init(shape: [Int], repeating value: Scalar = 0) {
        self.init(shape: shape, values: [Scalar](repeating: value, count: shape.reduce(1, *)))
    }

    /// The size of an axis counted from the end: 1 is the last. Axes that are missing have size 1.
    func size(fromEnd axis: Int) -> Int {
        axis <= shape.count ? shape[shape.count - axis] : 1
    }

    /// How many tensors of `rank` axes lie in this one.
    func count(ofRank rank: Int) -> Int {
        shape.dropLast(rank).reduce(1, *)
    }
}

/// Element types by the raw values of MLMultiArrayDataType, as not every SDK names all of them.
enum LayerElement: Int {
    case float16 = 65552
    case float32 = 65568
    case double = 65600
}

extension MLMultiArray {
    var layerShape: [Int] { shape.map(\.intValue) }

    func layerElement() throws -> LayerElement {
        guard let element = LayerElement(rawValue: dataType.rawValue) else {
            throw LayerError("a multi-array holds elements of type \(dataType.rawValue), not floating-point numbers")
        }
        return element
    }

    /// A contiguous copy.
    func layerTensor<Scalar: BinaryFloatingPoint>(_ type: Scalar.Type) throws -> LayerTensor<Scalar> {
        let positions = layerPositions()
        let values: [Scalar]
        switch try layerElement() {
        case .float32:
            let memory = dataPointer.assumingMemoryBound(to: Float.self)
            values = positions.map { Scalar(memory[$0]) }
        case .double:
            let memory = dataPointer.assumingMemoryBound(to: Double.self)
            values = positions.map { Scalar(memory[$0]) }
        case .float16:
            let memory = dataPointer.assumingMemoryBound(to: UInt16.self)
            values = positions.map { Scalar(HalfBits.float(memory[$0])) }
        }
        return LayerTensor(shape: layerShape, values: values)
    }

    /// Write a tensor of the same shape into this array's memory.
    func store<Scalar: BinaryFloatingPoint>(_ tensor: LayerTensor<Scalar>) throws {
        guard tensor.shape == layerShape else {
            throw LayerError("the output has shape \(layerShape), the layer computed \(tensor.shape)")
        }
        let positions = layerPositions()
        switch try layerElement() {
        case .float32:
            let memory = dataPointer.assumingMemoryBound(to: Float.self)
            for (index, position) in positions.enumerated() { memory[position] = Float(tensor.values[index]) }
        case .double:
            let memory = dataPointer.assumingMemoryBound(to: Double.self)
            for (index, position) in positions.enumerated() { memory[position] = Double(tensor.values[index]) }
        case .float16:
            let memory = dataPointer.assumingMemoryBound(to: UInt16.self)
            for (index, position) in positions.enumerated() {
                memory[position] = HalfBits.bits(Float(tensor.values[index]))
            }
        }
    }

    /// Where the elements lie in memory, in row-major order.
    private func layerPositions() -> [Int] {
        let sizes = layerShape
        let steps = strides.map(\.intValue)
        var positions = [0]
        for (size, step) in zip(sizes, steps) {
            var next: [Int] = []
            next.reserveCapacity(positions.count * size)
            for position in positions {
                for index in 0..<size { next.append(position + index * step) }
            }
            positions = next
        }
        return positions
    }
}

/// Half-precision numbers as bits: the Swift type Float16 does not exist on Intel Macs.
enum HalfBits {
    static func float(_ bits: UInt16) -> Float {
        let sign = UInt32(bits & 0x8000) << 16
        let exponent = UInt32(bits >> 10) & 0x1F
        let fraction = UInt32(bits & 0x3FF)
        if exponent == 0 {
            let magnitude = Float(fraction) * 0x1p-24
            return sign == 0 ? magnitude : -magnitude
        }
        if exponent == 31 { return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13) }
        return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
    }

    /// The nearest half, ties to even.
    static func bits(_ value: Float) -> UInt16 {
        let pattern = value.bitPattern
        let sign = UInt16(pattern >> 16 & 0x8000)
        if value.isNaN { return sign | 0x7E00 }
        let magnitude = abs(value)
        if magnitude >= 65520 { return sign | 0x7C00 }
        if magnitude < 0x1p-14 {
            return sign | UInt16((magnitude * 0x1p24).rounded(.toNearestOrEven))
        }
        let kept = (pattern & 0x7FFF_FFFF) >> 13
        let rest = pattern & 0x1FFF
        let up: UInt32 = rest > 0x1000 || (rest == 0x1000 && kept & 1 == 1) ? 1 : 0
        return sign | UInt16(kept + up - 112 << 10)
    }
}

/// Compute in Double where an array holds doubles, else in Float; half numbers are computed in Float.
func layerUsesDouble(_ arrays: [MLMultiArray]) throws -> Bool {
    try arrays.contains { try $0.layerElement() == .double }
}

/// A layer whose output is a function of each element.
func evaluateElements<Scalar: BinaryFloatingPoint>(
    _ type: Scalar.Type, _ inputs: [MLMultiArray], _ outputs: [MLMultiArray], function: (Scalar) -> Scalar
) throws {
    let input = try inputs[0].layerTensor(type)
    try outputs[0].store(LayerTensor(shape: input.shape, values: input.values.map(function)))
}

/// Thrown by what is still to be written.
struct LayerTodo: Error, CustomStringConvertible {
    let description: String
}
