#include "tenon/interop/idx.h"

#include <bit>

#include "tenon/interop/byte_reader.h"
#include "tenon/interop/gzip_reader.h"

namespace tenon::interop {
namespace {

DType dtype_of_code(unsigned char code) {
  switch (code) {
    case 0x08:
      return DType::uint8;
    case 0x09:
      return DType::int8;
    case 0x0B:
      return DType::int16;
    case 0x0C:
      return DType::int32;
    case 0x0D:
      return DType::float32;
    case 0x0E:
      return DType::float64;
    default:
      return DType::none;
  }
}

NdArray read_plain(ByteReader& reader, const IdxReadOptions& options) {
  unsigned char magic[4];
  reader.read_exactly("IDX magic number", std::as_writable_bytes(std::span(magic)));
  const DType dtype = dtype_of_code(magic[2]);
  if (magic[0] != 0 || magic[1] != 0 || dtype == DType::none) {
    reader.refuse("not an IDX file: it starts with the bytes ", int{magic[0]}, " ", int{magic[1]},
                  " ", int{magic[2]}, " ", int{magic[3]},
                  "; expected 0, 0, a type (8, 9, 11, 12, 13 or 14) and a rank");
  }
  const int rank = magic[3];
  if (rank > kMaxRank) reader.refuse("IDX rank ", rank, " is more than ", kMaxRank, " dimensions");
  Dims shape;
  for (int i = 0; i < rank; ++i) {
    unsigned char size[4];
    reader.read_exactly("IDX sizes", std::as_writable_bytes(std::span(size)));
    shape.push_back(int64_t{size[0]} << 24 | int64_t{size[1]} << 16 | int64_t{size[2]} << 8 |
                    int64_t{size[3]});
  }
  int64_t nbytes = 0;
  if (!count_nbytes(dtype, shape, &nbytes)) {
    reader.refuse("array is too big: shape ", shape_text(shape), " of ", dtype_name(dtype),
                  "; the header is wrong");
  }
  reader.expect_at_least("IDX elements", static_cast<uint64_t>(nbytes));
  check_inflated_size(reader, static_cast<uint64_t>(nbytes), options.max_bytes);
  NdArray out = NdArray::uninitialized(dtype, shape);
  const std::span<std::byte> bytes(out.mutable_data(), static_cast<size_t>(nbytes));
  reader.read_exactly("IDX elements", bytes);
  static_assert(std::endian::native == std::endian::little);
  swap_bytes(dtype, bytes);
  reader.expect_end("an IDX file holds one array");
  return out;
}

NdArray read_either(SeekableReader& reader, const IdxReadOptions& options) {
  std::byte start[2] = {};
  for (std::byte& b : start) {
    if (reader.read_some({&b, 1}) == 0) break;
  }
  reader.seek(0);
  if (!GzipReader::starts(start)) return read_plain(reader, options);
  GzipReader inflated(reader);
  return read_plain(inflated, options);
}

}  // namespace

NdArray read_idx(const std::string& path, const IdxReadOptions& options) {
  FileReader reader("read_idx", path);
  return read_either(reader, options);
}

NdArray read_idx(std::span<const std::byte> bytes, const IdxReadOptions& options,
                 const std::string& name) {
  MemoryReader reader("read_idx", name, bytes);
  return read_either(reader, options);
}

}  // namespace tenon::interop
