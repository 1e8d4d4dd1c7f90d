// Linux only: the protocol of custom models, as MLCustomModel.h declares it.

import Foundation

public enum MLFeatureType: Int {
    case invalid = 0, int64 = 1, double = 2, string = 3, image = 4, multiArray = 5, dictionary = 6
}

public final class MLFeatureValue {
    public let type: MLFeatureType
    public let multiArrayValue: MLMultiArray?
    public let doubleValue: Double
    public let int64Value: Int64
    public let stringValue: String

    private init(
        _ type: MLFeatureType, array: MLMultiArray? = nil, double: Double = 0, int64: Int64 = 0, string: String = ""
    ) {
        self.type = type
        multiArrayValue = array
        doubleValue = double
        int64Value = int64
        stringValue = string
    }

    public convenience init(multiArray: MLMultiArray) { self.init(.multiArray, array: multiArray) }
    public convenience init(double: Double) { self.init(.double, double: double) }
    public convenience init(int64: Int64) { self.init(.int64, int64: int64) }
    public convenience init(string: String) { self.init(.string, string: string) }
}

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    func featureValue(for featureName: String) -> MLFeatureValue?
}

public final class MLDictionaryFeatureProvider: MLFeatureProvider {
    private let values: [String: MLFeatureValue]

    public init(dictionary: [String: Any]) throws {
        var values: [String: MLFeatureValue] = [:]
        for (name, value) in dictionary {
            guard let feature = value as? MLFeatureValue else { throw NotAFeatureValue() }
            values[name] = feature
        }
        self.values = values
    }

    public var featureNames: Set<String> { Set(values.keys) }

    public func featureValue(for featureName: String) -> MLFeatureValue? { values[featureName] }
}

public struct NotAFeatureValue: Error {}

public final class MLFeatureDescription {
    public let name: String
    public let type: MLFeatureType

    public init(name: String, type: MLFeatureType) {
        self.name = name
        self.type = type
    }
}

public final class MLModelDescription {
    public let inputDescriptionsByName: [String: MLFeatureDescription]
    public let outputDescriptionsByName: [String: MLFeatureDescription]

    public init(inputs: [MLFeatureDescription], outputs: [MLFeatureDescription]) {
        inputDescriptionsByName = Dictionary(uniqueKeysWithValues: inputs.map { ($0.name, $0) })
        outputDescriptionsByName = Dictionary(uniqueKeysWithValues: outputs.map { ($0.name, $0) })
    }
}

public final class MLPredictionOptions {
    public init() {}
}

public protocol MLCustomModel {
    init(modelDescription: MLModelDescription, parameters: [String: Any]) throws
    func prediction(from input: MLFeatureProvider, options: MLPredictionOptions) throws -> MLFeatureProvider
}
