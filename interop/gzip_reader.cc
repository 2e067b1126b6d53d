#include "tenon/interop/gzip_reader.h"

#include <zlib.h>

#include <algorithm>
#include <limits>

namespace tenon::interop {

struct GzipReader::Stream {
  ByteReader& compressed;
  z_stream z = {};
  bool ended = false;
  std::byte buffer[65536];
};

bool GzipReader::starts(std::span<const std::byte> first_bytes) {
  return first_bytes.size() >= 2 && first_bytes[0] == std::byte(0x1f) &&
         first_bytes[1] == std::byte(0x8b);
}

uint64_t most_inflated(uint64_t compressed) {
  constexpr uint64_t kRatio = 1032;
  return compressed > std::numeric_limits<uint64_t>::max() / kRatio - 64
             ? std::numeric_limits<uint64_t>::max()
             : (compressed + 64) * kRatio;
}

GzipReader::GzipReader(ByteReader& compressed)
    : ByteReader(compressed.operation(), compressed.name()),
      stream_(new Stream{compressed, {}, false, {}}) {
  if (inflateInit2(&stream_->z, 15 + 16) != Z_OK) {  // 16: gzip's header, not zlib's
    fail(ErrorCode::kOutOfMemory, operation(), "zlib has no memory to inflate ", name());
  }
}

GzipReader::~GzipReader() { inflateEnd(&stream_->z); }

size_t GzipReader::read_some(std::span<std::byte> into) {
  if (into.empty() || stream_->ended) return 0;
  z_stream& z = stream_->z;
  const size_t wanted = std::min<size_t>(into.size(), 1u << 30);
  z.next_out = reinterpret_cast<Bytef*>(into.data());
  z.avail_out = static_cast<uInt>(wanted);
  while (z.avail_out == wanted && !stream_->ended) {
    if (z.avail_in == 0) {
      z.next_in = reinterpret_cast<Bytef*>(stream_->buffer);
      z.avail_in = static_cast<uInt>(stream_->compressed.read_some(stream_->buffer));
      if (z.avail_in == 0) refuse("the gzip stream is cut short");
    }
    const int result = inflate(&z, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      stream_->ended = true;
      std::byte extra;
      if (z.avail_in != 0 || stream_->compressed.read_some({&extra, 1}) != 0) {
        refuse("there are more bytes after the gzip stream");
      }
    } else if (result != Z_OK) {
      refuse("the gzip stream is damaged: ", z.msg != nullptr ? z.msg : "inflate stopped");
    }
  }
  return wanted - z.avail_out;
}

uint64_t GzipReader::remaining_at_most() const {
  if (stream_->ended) return 0;
  const uint64_t in = stream_->compressed.remaining_at_most() + stream_->z.avail_in;
  return most_inflated(in);  // its margin covers what zlib holds in its window
}

}  // namespace tenon::interop
