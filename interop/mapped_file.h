// MappedFile: a whole file as memory, without reading it.
//
//   std::shared_ptr<const MappedFile> file = MappedFile::open("map_npy", path);
//   file->bytes();  // pages are fetched when touched
//
// The file may be renamed, replaced (as AtomicFile does) or unlinked meanwhile. **Cutting it short
// in place is not survived**: touching the lost pages raises SIGBUS. Bytes changed in place may or
// may not be seen.
//
// Three modes, which NumPy calls 'r', 'c' and 'r+': read-only; writes that stay in this process's
// memory; writes that go to the file (at once to all who have it mapped, to the disk when the
// system sees fit).
//
// - Ownership: the map lives as long as the shared_ptr; arrays made from it hold one.
// - Thread safety: the object is immutable, its bytes are the caller's.
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

enum class MapMode { kRead, kCopyOnWrite, kReadWrite };

class MappedFile {
 public:
  static std::shared_ptr<const MappedFile> open(std::string_view operation, const std::string& path,
                                                MapMode mode = MapMode::kRead);
  // The file that `reader` has open, which may have lost its name since. Not for kReadWrite: it is
  // open for reading.
  static std::shared_ptr<const MappedFile> of(const FileReader& reader,
                                              MapMode mode = MapMode::kRead);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // May be written where the mode says so.
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  static std::shared_ptr<const MappedFile> map(std::string_view operation, const std::string& name,
                                               int descriptor, uint64_t size, MapMode mode);
  explicit MappedFile(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::span<const std::byte> bytes_;
};

}  // namespace tenon::interop

#endif  // TENON_INTEROP_MAPPED_FILE_H_
