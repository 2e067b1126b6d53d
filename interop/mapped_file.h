// MappedFile: a whole file as read-only memory, without reading it.
//
//   std::shared_ptr<const MappedFile> file = MappedFile::open("map_npy", path);
//   file->bytes();  // pages are fetched when touched
//
// The file may be renamed, replaced (as AtomicFile does) or unlinked meanwhile. **Cutting it short
// in place is not survived**: touching the lost pages raises SIGBUS. Bytes changed in place may or
// may not be seen.
//
// - Ownership: the map lives as long as the shared_ptr; arrays made from it hold one.
// - Thread safety: immutable.
// - Errors: kIo naming the file.
#ifndef TENON_INTEROP_MAPPED_FILE_H_
#define TENON_INTEROP_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tenon/interop/byte_reader.h"

namespace tenon::interop {

class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(std::string_view operation,
                                                const std::string& path);
  // The file that `reader` has open, which may have lost its name since.
  static std::shared_ptr<const MappedFile> of(const FileReader& reader);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace tenon::interop

#endif  // TENON_INTEROP_MAPPED_FILE_H_
