#include "tenon/interop/mapped_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"

namespace tenon::interop {

std::shared_ptr<const MappedFile> MappedFile::open(std::string_view operation,
                                                   const std::string& path, MapMode mode) {
  uint64_t size = 0;
  const int descriptor =
      open_regular_file(operation, path, &size, /*writable=*/mode == MapMode::kReadWrite);
  const absl::Cleanup closer = [descriptor] { close(descriptor); };
  return map(operation, concat_text("'", path, "'"), descriptor, size, mode);
}

std::shared_ptr<const MappedFile> MappedFile::of(const FileReader& reader, MapMode mode) {
  return map(reader.operation(), reader.name(), reader.descriptor(), reader.size(), mode);
}

std::shared_ptr<const MappedFile> MappedFile::map(std::string_view operation,
                                                  const std::string& name, int descriptor,
                                                  uint64_t size, MapMode mode) {
  void* memory = nullptr;
  if (size != 0) {  // an empty map is an error to the system
    memory = mmap(nullptr, size, mode == MapMode::kRead ? PROT_READ : PROT_READ | PROT_WRITE,
                  mode == MapMode::kReadWrite ? MAP_SHARED : MAP_PRIVATE, descriptor,
                  0);  // outlives the descriptor
  }
  if (memory == MAP_FAILED) {
    fail(ErrorCode::kIo, operation, "cannot map ", name, " of ", size,
         " bytes: ", std::strerror(errno));
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(memory), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace tenon::interop
