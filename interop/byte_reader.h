// ByteReader: where a file's bytes come from: a file, memory, a zip member, a gzip stream.
//
//   FileReader file("read_npy", path);
//   file.read_exactly("header", header);  // or kFormat, naming file and part, if it ends before
//   file.refuse("the magic string is not correct");
//
// The format readers are written against this class, so that each knows one kind of bytes and the
// fuzz targets drive them from memory.
//
// - Ownership: a MemoryReader borrows its bytes.
// - Thread safety: one thread at a time.
// - Errors: tenon::Error with the operation given, naming the source: kIo where the system refuses,
//   kFormat otherwise.
#ifndef TENON_INTEROP_BYTE_READER_H_
#define TENON_INTEROP_BYTE_READER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tenon/base/error.h"

namespace tenon::interop {

class ByteReader {
 public:
  // `operation` opens every error; `name` says which file ("weights.npz: member 'w'").
  ByteReader(std::string operation, std::string name);
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;
  virtual ~ByteReader() = default;

  // Up to into.size() bytes; fewer only at the end, 0 there.
  virtual size_t read_some(std::span<std::byte> into) = 0;

  // No more bytes than this can follow: exact for files and memory, what the format can hold at
  // most for compressed streams. Sizes found in a header are compared with it before anything is
  // allocated.
  virtual uint64_t remaining_at_most() const = 0;

  // All of `into`, or kFormat: the source ends within `part` ("the header").
  void read_exactly(std::string_view part, std::span<std::byte> into);

  // Throws kFormat unless every byte has been read.
  void expect_end(std::string_view way_out);

  // Throws kFormat unless `bytes` can still follow.
  void expect_at_least(std::string_view part, uint64_t bytes) const;

  const std::string& operation() const { return operation_; }
  const std::string& name() const { return name_; }

  // Throws kFormat: "<operation>: <name>: <pieces>".
  template <class... Pieces>
  [[noreturn]] void refuse(const Pieces&... pieces) const {
    fail(ErrorCode::kFormat, operation_, name_, ": ", pieces...);
  }

 private:
  std::string operation_;
  std::string name_;
};

// A source with a known length that can be read from anywhere.
class SeekableReader : public ByteReader {
 public:
  using ByteReader::ByteReader;
  uint64_t remaining_at_most() const override { return position_ < size_ ? size_ - position_ : 0; }
  uint64_t size() const { return size_; }
  uint64_t position() const { return position_; }
  void seek(uint64_t position) { position_ = position; }  // beyond the end there is nothing to read

 protected:
  uint64_t size_ = 0;
  uint64_t position_ = 0;
};

// A regular file, from its beginning.
class FileReader final : public SeekableReader {
 public:
  FileReader(std::string operation, const std::string& path);
  ~FileReader() override;
  size_t read_some(std::span<std::byte> into) override;
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

class MemoryReader final : public SeekableReader {
 public:
  MemoryReader(std::string operation, std::string name, std::span<const std::byte> bytes);
  size_t read_some(std::span<std::byte> into) override;

 private:
  const std::byte* bytes_;
};

// Opens a regular file for reading, or for reading and writing; throws kIo naming the file and the
// system's reason. `*size` is its length.
int open_regular_file(std::string_view operation, const std::string& path, uint64_t* size,
                      bool writable = false);

// Throws kOutOfMemory if `bytes` to be inflated exceed `limit` (0: the memory of this machine): a
// compressed file of a few kilobytes may ask for terabytes.
void check_inflated_size(const ByteReader& reader, uint64_t bytes, uint64_t limit);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_BYTE_READER_H_
