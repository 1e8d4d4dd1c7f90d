import CoreML
import Foundation
import Metal

/// GroupNorm under the name that kraken's models use; add GroupNorm.swift and GroupNorm.metal to the same target.
#if canImport(ObjectiveC)
@objc(groupnorm)
#endif
final class KrakenGroupNorm: GroupNorm {}
