// IDX files: the format of the MNIST images and labels, plain or gzipped (told by content).
//
//   NdArray images = read_idx("t10k-images-idx3-ubyte.gz");  // uint8, [10000, 28, 28]
//   NdArray labels = read_idx("t10k-labels-idx1-ubyte.gz");  // uint8, [10000]
//
// Format (http://yann.lecun.com/exdb/mnist): bytes 0, 0, type, rank; a big-endian uint32 per axis;
// elements in C order, big-endian. Types: 0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32,
// 0x0D float32, 0x0E float64.
//
// The result is new memory in this machine's byte order. The file must hold exactly the elements it
// announces; gzip's checksum and length are verified. Nothing is allocated that the length of the
// file does not allow.
//
// - Thread safety: free functions without state.
// - Errors: kFormat naming the file; kOutOfMemory beyond `max_bytes`; kIo.
#ifndef TENON_INTEROP_IDX_H_
#define TENON_INTEROP_IDX_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tenon/interop/ndarray.h"

namespace tenon::interop {

struct IdxReadOptions {
  uint64_t max_bytes = 0;  // of the inflated array; 0: the memory of this machine
};

NdArray read_idx(const std::string& path, const IdxReadOptions& options = {});
NdArray read_idx(std::span<const std::byte> bytes, const IdxReadOptions& options = {},
                 const std::string& name = "<memory>");

}  // namespace tenon::interop

#endif  // TENON_INTEROP_IDX_H_
