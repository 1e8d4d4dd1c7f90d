import CoreML
import Foundation

/// kraken's reshape: splits axis src_dim of [N, C, H, W] into (part_a, part_b) and moves one part into another axis.
#if canImport(ObjectiveC)
@objc(reshape)
#endif
final class KrakenReshape: NSObject, MLCustomLayer {
    private let source: Int
    private let high: Int
    private let low: Int
    private let parts: (Int, Int)

    required init(parameters: [String: Any]) throws {
        let parameters = LayerParameters(layer: "reshape", values: parameters)
        func whole(_ name: String) throws -> Int {
            guard let value = try parameters.number(name), value == value.rounded(), abs(value) < 1e9 else {
                throw LayerError("reshape needs a whole number as \(name)")
            }
            return Int(value)
        }
        source = try whole("src_dim")
        high = try whole("high")
        low = try whole("low")
        parts = (try whole("part_a"), try whole("part_b"))
        guard (0..<4).contains(source), (0..<4).contains(high), (0..<4).contains(low) else {
            throw LayerError("reshape: axes lie in 0..3, not \(source), \(high), \(low)")
        }
        super.init()
    }

    func setWeightData(_ weights: [Data]) throws {}

    /// The five axes of [N, C, H, W] with the source axis split.
    private func split(_ shape: [Int]) throws -> [Int] {
        let size = shape[source]
        var (first, second) = parts
        if first == -1 { first = second == 0 ? 0 : size / second }
        if second == -1 { second = first == 0 ? 0 : size / first }
        guard first * second == size else {
            throw LayerError("reshape: axis \(source) of size \(size) cannot be split into \(parts)")
        }
        return Array(shape[..<source]) + [first, second] + Array(shape[(source + 1)...])
    }

    /// Which of the five axes is moved, and to where.
    private var move: (from: Int, to: Int) {
        high != source ? (source, high) : (source + 1, low)
    }

    private func moved<Element>(_ items: [Element]) -> [Element] {
        var rest = items
        let item = rest.remove(at: move.from)
        rest.insert(item, at: move.to)
        return rest
    }

    private func joined(_ shape: [Int]) -> [Int] {
        Array(shape[..<move.to]) + [shape[move.to] * shape[move.to + 1]] + Array(shape[(move.to + 2)...])
    }

    func outputShapes(forInputShapes inputShapes: [[NSNumber]]) throws -> [[NSNumber]] {
        let shape = inputShapes[0].map(\.intValue)
        // Core ML also asks with sizes of zero while it loads a model.
        if shape.contains(0) { return [shape.map { NSNumber(value: $0) }] }
        let rest = try joined(moved(split([1] + shape.suffix(3))))
        return [(shape.dropLast(3) + rest.dropFirst()).map { NSNumber(value: $0) }]
    }

    func evaluate(inputs: [MLMultiArray], outputs: [MLMultiArray]) throws {
        if try layerUsesDouble(inputs + outputs) {
            try outputs[0].store(try reshaped(inputs[0].layerTensor(Double.self)))
        } else {
            try outputs[0].store(try reshaped(inputs[0].layerTensor(Float.self)))
        }
    }

    private func reshaped<Scalar: BinaryFloatingPoint>(_ input: LayerTensor<Scalar>) throws -> LayerTensor<Scalar> {
        guard input.shape.count >= 3 else {
            throw LayerError("reshape works on [.., C, H, W], not on rank \(input.shape.count)")
        }
        let before = try split([input.count(ofRank: 3)] + input.shape.suffix(3))
        var steps = [Int](repeating: 1, count: before.count)
        for axis in stride(from: before.count - 2, through: 0, by: -1) { steps[axis] = steps[axis + 1] * before[axis + 1] }
        let (sizes, reading) = (moved(before), moved(steps))
        var positions = [0]
        for (size, step) in zip(sizes, reading) {
            positions = positions.flatMap { start in (0..<size).map { start + $0 * step } }
        }
        let shape = input.shape.dropLast(3) + joined(sizes).dropFirst()
        return LayerTensor(shape: Array(shape), values: positions.map { input.values[$0] })
    }
}
