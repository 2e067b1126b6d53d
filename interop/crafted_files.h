// Files made by hand for the tests: written from the formats' specifications, sharing no code with
// the readers.
#ifndef TENON_INTEROP_CRAFTED_FILES_H_
#define TENON_INTEROP_CRAFTED_FILES_H_

#include <unistd.h>
#include <zlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tenon/base/error.h"

namespace tenon::interop::crafted {

inline std::span<const std::byte> bytes_of(const std::string& s) {
  return std::as_bytes(std::span(s.data(), s.size()));
}

inline std::string little_endian(uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}
inline std::string big_endian(uint64_t value, int bytes) {
  const std::string little = little_endian(value, bytes);
  return {little.rbegin(), little.rend()};
}

// The bytes of values as this (little-endian) machine has them.
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

// An .npy with exactly this header text: no padding, no newline, no alignment.
inline std::string npy(const std::string& header, const std::string& data, int major = 1) {
  return std::string("\x93NUMPY") + static_cast<char>(major) + '\0' +
         little_endian(header.size(), major == 1 ? 2 : 4) + header + data;
}

struct ZipMember {
  std::string name;
  std::string content;
  bool deflate = false;
  bool numpy_zip64 =
      true;  // local header with ZIP64 sizes, as numpy.savez writes all of its members
  uint32_t crc_difference = 0;  // xor
  int64_t declared_size = -1;   // in directory and local header, if not the true one
  int method = -1;              // what is declared, if not the true one
  int flags = 0;
};

inline std::string deflated(const std::string& content) {
  z_stream z = {};
  deflateInit2(&z, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, content.size()), '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  z.avail_in = static_cast<uInt>(content.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

inline std::string gzip(const std::string& content) {
  const uint32_t crc = static_cast<uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size())));
  return std::string("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10) + deflated(content) +
         little_endian(crc, 4) + little_endian(content.size(), 4);
}

// APPNOTE.TXT: local headers with data, the central directory, the end record.
inline std::string zip(const std::vector<ZipMember>& members) {
  std::string out, directory;
  for (const ZipMember& m : members) {
    const std::string packed = m.deflate ? deflated(m.content) : m.content;
    const uint32_t crc = m.crc_difference ^ static_cast<uint32_t>(crc32(
                                                0, reinterpret_cast<const Bytef*>(m.content.data()),
                                                static_cast<uInt>(m.content.size())));
    const uint64_t size =
        m.declared_size < 0 ? m.content.size() : static_cast<uint64_t>(m.declared_size);
    const std::string common = little_endian(static_cast<uint64_t>(m.flags), 2) +
                               little_endian(m.method >= 0 ? static_cast<uint64_t>(m.method)
                                             : m.deflate   ? 8
                                                           : 0,
                                             2) +
                               little_endian(0, 2) + little_endian(33, 2) + little_endian(crc, 4);
    const size_t offset = out.size();
    if (m.numpy_zip64) {
      out += "PK\3\4" + little_endian(45, 2) + common + std::string(8, '\xff') +
             little_endian(m.name.size(), 2) + little_endian(20, 2) + m.name + little_endian(1, 2) +
             little_endian(16, 2) + little_endian(size, 8) + little_endian(packed.size(), 8);
    } else {
      out += "PK\3\4" + little_endian(20, 2) + common + little_endian(packed.size(), 4) +
             little_endian(size, 4) + little_endian(m.name.size(), 2) + little_endian(0, 2) +
             m.name;
    }
    out += packed;
    directory += "PK\1\2" + little_endian(45, 2) + little_endian(45, 2) + common +
                 little_endian(packed.size(), 4) + little_endian(size, 4) +
                 little_endian(m.name.size(), 2) + std::string(12, '\0') +
                 little_endian(offset, 4) + m.name;
  }
  const size_t start = out.size();
  return out + directory + "PK\5\6" + std::string(4, '\0') + little_endian(members.size(), 2) +
         little_endian(members.size(), 2) + little_endian(directory.size(), 4) +
         little_endian(start, 4) + little_endian(0, 2);
}

// A directory of its own for one test, removed at the end.
class Folder {
 public:
  Folder() {
    const char* base = std::getenv("TEST_TMPDIR");
    std::string pattern = std::string(base != nullptr ? base : "/tmp") + "/tenon_interop.XXXXXX";
    path_ = mkdtemp(pattern.data());
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(file(name), std::ios::binary) << content;
    return file(name);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

inline std::string content_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// The message of the tenon::Error that `call` throws; "" if it throws none.
template <class Call>
std::string error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace tenon::interop::crafted

#endif  // TENON_INTEROP_CRAFTED_FILES_H_
