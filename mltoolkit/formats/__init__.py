"""Reading and writing Core ML files: protobuf access, weight codecs, descriptions, validation."""
