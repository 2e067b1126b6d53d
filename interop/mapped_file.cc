#include "tenon/interop/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace tenon::interop {

std::shared_ptr<const MappedFile> MappedFile::open(std::string_view operation,
                                                   const std::string& path) {
  return of(FileReader(std::string(operation), path));
}

std::shared_ptr<const MappedFile> MappedFile::of(const FileReader& reader) {
  const uint64_t size = reader.size();
  void* memory = nullptr;
  if (size != 0) {  // an empty map is an error to the system
    memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, reader.descriptor(),
                  0);  // outlives the descriptor
  }
  if (memory == MAP_FAILED) {
    fail(ErrorCode::kIo, reader.operation(), "cannot map ", reader.name(), " of ", size,
         " bytes: ", std::strerror(errno));
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile({static_cast<const std::byte*>(memory), size}));
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace tenon::interop
