// ZipInput and ZipOutput: Tenon's files as libzip's sources, so that archives are read from a
// SeekableReader and written through an AtomicFile. Private to npz.
//
//   ZipInput input(reader);
//   input.zip();               // the zip_t, open for reading
//   input.last_read_offset();  // where libzip read last: so stored members are found for mapping
//
// C++ exceptions do not cross libzip: they are kept and thrown again by rethrow() and finish().
//
// - Ownership: both borrow what they are made from and own the zip_t.
// - Thread safety: one thread at a time.
#ifndef TENON_INTEROP_ZIP_SOURCE_H_
#define TENON_INTEROP_ZIP_SOURCE_H_

#include <zip.h>

#include <cstdint>
#include <exception>
#include <string>

#include "tenon/interop/atomic_file.h"
#include "tenon/interop/byte_reader.h"

namespace tenon::interop {

// The text of libzip's last error on `archive` or of an error code.
std::string zip_error_text(zip_t* archive);
std::string zip_error_text(int code);

class ZipInput {
 public:
  // Throws kFormat if the bytes are no zip archive.
  explicit ZipInput(SeekableReader& reader);
  ZipInput(const ZipInput&) = delete;
  ZipInput& operator=(const ZipInput&) = delete;
  ~ZipInput();

  zip_t* zip() const { return zip_; }
  uint64_t last_read_offset() const { return last_read_offset_; }
  uint64_t last_read_size() const { return last_read_size_; }
  // Throws what the reader threw inside libzip, if it did.
  void rethrow();

 private:
  static zip_int64_t callback(void* self, void* data, zip_uint64_t size, zip_source_cmd_t command);
  zip_int64_t answer(void* data, zip_uint64_t size, zip_source_cmd_t command);

  SeekableReader& reader_;
  zip_t* zip_ = nullptr;
  zip_error_t error_;
  std::exception_ptr thrown_;
  uint64_t last_read_offset_ = 0, last_read_size_ = 0;
};

class ZipOutput {
 public:
  // An empty archive in `file`, which the caller commits after finish().
  ZipOutput(std::string operation, AtomicFile& file);
  ZipOutput(const ZipOutput&) = delete;
  ZipOutput& operator=(const ZipOutput&) = delete;
  ~ZipOutput();  // discards what finish() has not written

  zip_t* zip() const { return zip_; }
  // Writes all members; throws kIo.
  void finish();

 private:
  static zip_int64_t callback(void* self, void* data, zip_uint64_t size, zip_source_cmd_t command);
  zip_int64_t answer(void* data, zip_uint64_t size, zip_source_cmd_t command);

  std::string operation_;
  AtomicFile& file_;
  zip_t* zip_ = nullptr;
  zip_error_t error_;
  std::exception_ptr thrown_;
  uint64_t position_ = 0;
};

}  // namespace tenon::interop

#endif  // TENON_INTEROP_ZIP_SOURCE_H_
