// Every custom layer computes what the Python reference computed when this package was made.

import CoreML
import Foundation
import Metal
import XCTest

@testable import CustomLayers

/// Row-major numbers (64-bit, little-endian), and how they lie in memory.
struct VectorArray: Decodable {
    let shape: [Int]
    let strides: [Int]
    let data: Data

    var numbers: [Double] {
        var values = [Double](repeating: 0, count: data.count / 8)
        _ = values.withUnsafeMutableBytes { data.copyBytes(to: $0) }
        return values
    }

    /// Elements of memory from the first to the last.
    var extent: Int {
        shape.contains(0) ? 1 : zip(shape, strides).reduce(1) { $0 + ($1.0 - 1) * $1.1 }
    }

    /// Memory positions in row-major order.
    var positions: [Int] {
        zip(shape, strides).reduce([0]) { starts, axis in
            starts.flatMap { start in (0..<axis.0).map { start + $0 * axis.1 } }
        }
    }
}

struct VectorCase: Decodable {
    let element: String
    let tolerance: Double
    let textures: Bool
    let inputs: [VectorArray]
    let outputs: [VectorArray]
}

struct VectorParameter: Decodable {
    let number: Double?
    let text: String?
}

struct VectorLayer: Decodable {
    let className: String
    let parameters: [String: VectorParameter]
    let weights: [Data]
    let cases: [VectorCase]

    func make() throws -> MLCustomLayer {
        guard let type = customLayerTypes[className] else { throw LayerError("no class \(className)") }
        // Core ML adds keys of its own.
        var values: [String: Any] = ["engineName": "MLNeuralNetworkEngine"]
        for (name, parameter) in parameters {
            values[name] = parameter.number.map { NSNumber(value: $0) as Any } ?? parameter.text as Any
        }
        let layer = try type.init(parameters: values)
        try layer.setWeightData(weights)
        return layer
    }
}

/// Memory around a multi-array that a layer must leave alone.
final class GuardedArray {
    let array: MLMultiArray
    private let vector: VectorArray
    private let element: MLMultiArrayDataType
    private let before: [UInt8]
    private let bytes: Int

    init(_ vector: VectorArray, _ element: MLMultiArrayDataType, filled: Bool) throws {
        self.vector = vector
        self.element = element
        bytes = element == .double ? 8 : element == .float16 ? 2 : 4
        let memory = UnsafeMutableRawPointer.allocate(byteCount: vector.extent * bytes, alignment: 16)
        memset(memory, 0x5A, vector.extent * bytes)
        if filled {
            for (number, position) in zip(vector.numbers, vector.positions) {
                switch element {
                case .double: memory.assumingMemoryBound(to: Double.self)[position] = number
                case .float16: memory.assumingMemoryBound(to: UInt16.self)[position] = HalfBits.bits(Float(number))
                default: memory.assumingMemoryBound(to: Float.self)[position] = Float(number)
                }
            }
        }
        before = [UInt8](UnsafeRawBufferPointer(start: memory, count: vector.extent * bytes))
        array = try MLMultiArray(
            dataPointer: memory, shape: vector.shape.map { NSNumber(value: $0) }, dataType: element,
            strides: vector.strides.map { NSNumber(value: $0) }, deallocator: { $0.deallocate() })
    }

    private var now: [UInt8] { [UInt8](UnsafeRawBufferPointer(start: array.dataPointer, count: vector.extent * bytes)) }

    var isUntouched: Bool { now == before }

    /// Whether only elements of the array changed.
    var gapsAreUntouched: Bool {
        var inside = [Bool](repeating: false, count: vector.extent)
        for position in vector.positions { inside[position] = true }
        let after = now
        return after.indices.allSatisfy { inside[$0 / bytes] || after[$0] == before[$0] }
    }

    var numbers: [Double] {
        vector.positions.map { position in
            switch element {
            case .double: return array.dataPointer.assumingMemoryBound(to: Double.self)[position]
            case .float16:
                return Double(HalfBits.float(array.dataPointer.assumingMemoryBound(to: UInt16.self)[position]))
            default: return Double(array.dataPointer.assumingMemoryBound(to: Float.self)[position])
            }
        }
    }
}

/// Largest difference, relative to the largest expected value where that is above 1.
func relativeError(_ found: [Double], _ expected: [Double]) -> Double {
    let scale = expected.reduce(1) { max($0, abs($1)) }
    return zip(found, expected).reduce(0) { worst, pair in
        let apart = abs(pair.0 - pair.1) / scale
        return apart.isNaN ? .infinity : max(worst, apart)
    }
}

final class CustomLayerTests: XCTestCase {
    private func layers() throws -> [VectorLayer] {
        let file = try XCTUnwrap(Bundle.module.url(forResource: "vectors", withExtension: "json"))
        return try JSONDecoder().decode([VectorLayer].self, from: Data(contentsOf: file))
    }

    func testEvaluateEqualsTheReference() throws {
        let types: [String: MLMultiArrayDataType] = ["float32": .float32, "double": .double, "float16": .float16]
        for vector in try layers() {
            let layer = try vector.make()
            for (number, item) in vector.cases.enumerated() {
                let name = "\(vector.className) case \(number) (\(item.element), \(item.inputs.map(\.shape)))"
                let element = try XCTUnwrap(types[item.element])
                let inputs = try item.inputs.map { try GuardedArray($0, element, filled: true) }
                let outputs = try item.outputs.map { try GuardedArray($0, element, filled: false) }
                do {
                    try layer.evaluate(inputs: inputs.map(\.array), outputs: outputs.map(\.array))
                } catch is LayerTodo {
                    print("\(vector.className): evaluate is still to be written")
                    break
                }
                for (output, expected) in zip(outputs, item.outputs) {
                    let error = relativeError(output.numbers, expected.numbers)
                    XCTAssertLessThanOrEqual(error, item.tolerance, name)
                    XCTAssertTrue(output.gapsAreUntouched, "\(name) writes outside its output")
                }
                XCTAssertTrue(inputs.allSatisfy(\.isUntouched), "\(name) changes an input")
            }
        }
    }

    func testOutputShapes() throws {
        for vector in try layers() {
            let layer = try vector.make()
            do {
                for item in vector.cases {
                    let given = item.inputs.map { $0.shape.map { NSNumber(value: $0) } }
                    let found = try layer.outputShapes(forInputShapes: given).map { $0.map(\.intValue) }
                    XCTAssertEqual(found, item.outputs.map(\.shape), vector.className)
                }
                // Core ML asks with zeros while it loads a model; a layer that throws then cannot be loaded.
                if let count = vector.cases.first?.inputs.count {
                    let zeros = [[NSNumber]](repeating: [0, 0, 0, 0, 0], count: count)
                    XCTAssertNoThrow(try layer.outputShapes(forInputShapes: zeros), vector.className)
                }
            } catch is LayerTodo {
                print("\(vector.className): outputShapes is still to be written")
            }
        }
    }

    func testHalvesAreRoundedToNearest() {
        for bits in UInt16.min...UInt16.max where bits & 0x7C00 != 0x7C00 {
            XCTAssertEqual(HalfBits.bits(HalfBits.float(bits)), bits)
        }
        XCTAssertEqual(HalfBits.bits(65520), 0x7C00)
        XCTAssertEqual(HalfBits.bits(65519), 0x7BFF)
        XCTAssertEqual(HalfBits.bits(1 + 0x1p-11), 0x3C00)
        XCTAssertEqual(HalfBits.bits(1 + 3 * 0x1p-11), 0x3C02)
        XCTAssertEqual(HalfBits.bits(0x1p-25), 0)
        XCTAssertEqual(HalfBits.bits(-0x1.8p-25), 0x8001)
        XCTAssertTrue(HalfBits.float(HalfBits.bits(.nan)).isNaN)
    }

    func testDoublesStayDoubles() throws {
        for vector in try layers() {
            XCTAssertTrue(vector.cases.allSatisfy { $0.element != "double" || $0.tolerance <= 1e-12 })
        }
    }
}
