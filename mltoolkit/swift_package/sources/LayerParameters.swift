// The parameters and weights of a custom layer, checked as they are read.

import Foundation

/// The dictionary that Core ML hands to init(parameters:). Unknown keys, such as Core ML's own engineName, are ignored.
struct LayerParameters {
    let layer: String
    let values: [String: Any]

    func number(_ name: String) throws -> Double? {
        guard let value = values[name] else { return nil }
        guard let number = value as? NSNumber else {
            throw LayerError("\(layer): the parameter \(name) is no number but \(value)")
        }
        return number.doubleValue
    }

    func flag(_ name: String, default fallback: Bool) throws -> Bool {
        try number(name).map { $0 != 0 } ?? fallback
    }

    /// A whole number from 1.
    func size(_ name: String) throws -> Int {
        guard let value = try number(name), value >= 1, value == value.rounded(), value < 1e9 else {
            throw LayerError("\(layer) needs a whole number from 1 as \(name)")
        }
        return Int(value)
    }

    func text(_ name: String, default fallback: String, oneOf choices: [String]) throws -> String {
        guard let value = values[name] else { return fallback }
        guard let text = value as? String, choices.contains(text) else {
            throw LayerError("\(layer): the parameter \(name) is \(value), not one of \(choices)")
        }
        return text
    }
}

/// A weight of a custom layer: Core ML hands over 32-bit floating-point numbers as bytes.
func layerWeight(_ data: Data, layer: String) throws -> [Float] {
    guard data.count % MemoryLayout<Float>.size == 0 else {
        throw LayerError("\(layer): a weight of \(data.count) bytes does not hold 32-bit numbers")
    }
    var numbers = [Float](repeating: 0, count: data.count / MemoryLayout<Float>.size)
    _ = numbers.withUnsafeMutableBytes { data.copyBytes(to: $0) }
    return numbers
}

