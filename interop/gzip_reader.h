// GzipReader: the bytes inside a gzip stream, inflated while they are read.
//
//   FileReader file("read_idx", path);
//   GzipReader inflated(file);
//   inflated.read_exactly("header", header);
//   inflated.expect_end("...");  // here the stream's CRC-32 and length are verified
//
// One gzip member, nothing behind it. Memory: two fixed buffers, whatever the file claims.
//
// - Ownership: borrows the reader below.
// - Errors: kFormat in the name of the reader below.
#ifndef TENON_INTEROP_GZIP_READER_H_
#define TENON_INTEROP_GZIP_READER_H_

#include <memory>

#include "tenon/interop/byte_reader.h"

namespace tenon::interop {

class GzipReader final : public ByteReader {
 public:
  // Whether a file that begins with these two bytes is gzip's.
  static bool starts(std::span<const std::byte> first_bytes);

  explicit GzipReader(ByteReader& compressed);
  ~GzipReader() override;

  size_t read_some(std::span<std::byte> into) override;
  uint64_t remaining_at_most() const override;

 private:
  struct Stream;
  std::unique_ptr<Stream> stream_;
};

// The most bytes that `compressed` bytes of deflate can inflate to: 258 of them for every 2 bits,
// and some.
uint64_t most_inflated(uint64_t compressed);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_GZIP_READER_H_
