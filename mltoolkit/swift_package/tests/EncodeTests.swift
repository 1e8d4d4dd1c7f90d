// Linux only: the encode methods, with kernels compiled as C++ and every texel's writes counted.

#if os(Linux)
import CoreML
import Foundation
import Metal
import XCTest

@testable import CustomLayers

/// A tensor [.., C, H, W] as texels of four channels.
struct Texels {
    let count: Int
    let channels: Int
    let height: Int
    let width: Int

    init(_ shape: [Int]) {
        count = shape.dropLast(3).reduce(1, *)
        (channels, height, width) = (shape[shape.count - 3], shape[shape.count - 2], shape[shape.count - 1])
    }

    var slicesEach: Int { (channels + 3) / 4 }

    /// Where a number lies among the halves of a texture.
    func place(_ index: Int) -> Int {
        let column = index % width
        let row = index / width % height
        let channel = index / (width * height) % channels
        let slice = index / (width * height * channels) * slicesEach + channel / 4
        return 4 * ((slice * height + row) * width + column) + channel % 4
    }

    func texture(_ numbers: [Double]?, isArray: Bool) -> CheckingTexture {
        // Texels that nobody wrote hold what is no number.
        let size = 4 * count * slicesEach * height * width
        var halves = [UInt16](repeating: numbers == nil ? 0x7E00 : 0, count: size)
        for (index, number) in (numbers ?? []).enumerated() { halves[place(index)] = HalfBits.bits(Float(number)) }
        return CheckingTexture(
            width: width, height: height, slices: count * slicesEach, isArray: isArray, halves: halves)
    }

    func numbers(_ texture: CheckingTexture) -> [Double] {
        let halves = texture.halves
        return (0..<(count * channels * height * width)).map { Double(HalfBits.float(halves[place($0)])) }
    }
}

final class EncodeTests: XCTestCase {
    func testEncodeEqualsTheReference() throws {
        let file = try XCTUnwrap(Bundle.module.url(forResource: "vectors", withExtension: "json"))
        let layers = try JSONDecoder().decode([VectorLayer].self, from: Data(contentsOf: file))
        for vector in layers {
            let layer = try vector.make()
            for (number, item) in vector.cases.enumerated() where item.textures {
                for plain in [false, true] {
                    let sizes = item.inputs.map { Texels($0.shape) }
                    let results = item.outputs.map { Texels($0.shape) }
                    // Four channels of one picture may also come as a plain texture; what needs more never does.
                    if plain && (sizes[0].count * sizes[0].slicesEach != 1) { continue }
                    let inputs = zip(sizes, item.inputs).map { size, array in
                        size.texture(array.numbers, isArray: !plain || size.count * size.slicesEach > 1)
                    }
                    let outputs = results.map { $0.texture(nil, isArray: !plain) }
                    let buffer = CheckingCommandBuffer(device: CheckingDevice())
                    let name = "\(vector.className) case \(number) \(item.inputs.map(\.shape)) plain \(plain)"
                    try layer.encode(commandBuffer: buffer, inputs: inputs, outputs: outputs)
                    buffer.finish()
                    XCTAssertEqual(buffer.faults, [], name)
                    for (texture, (size, expected)) in zip(outputs, zip(results, item.outputs)) {
                        XCTAssertEqual(Set(texture.writesPerTexel), [1], "\(name): not every texel is written once")
                        let error = relativeError(size.numbers(texture), expected.numbers)
                        XCTAssertLessThanOrEqual(error, item.tolerance, name)
                    }
                    for texture in inputs { XCTAssertEqual(Set(texture.writesPerTexel), [0], "\(name) writes its input") }
                }
            }
        }
    }
}
#endif
