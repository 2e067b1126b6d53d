#include "tenon/interop/byte_reader.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tenon::interop {

ByteReader::ByteReader(std::string operation, std::string name)
    : operation_(std::move(operation)), name_(std::move(name)) {}

void ByteReader::read_exactly(std::string_view part, std::span<std::byte> into) {
  size_t done = 0;
  while (done < into.size()) {
    const size_t n = read_some(into.subspan(done));
    if (n == 0)
      refuse("EOF: reading ", part, ", expected ", into.size(), " bytes got ", done,
             "; the file is cut short");
    done += n;
  }
}

void ByteReader::expect_end(std::string_view way_out) {
  std::byte extra;
  if (read_some({&extra, 1}) != 0) refuse("there are more bytes after the array's data: ", way_out);
}

void ByteReader::expect_at_least(std::string_view part, uint64_t bytes) const {
  if (bytes > remaining_at_most()) {
    refuse("EOF: reading ", part, ", expected ", bytes, " bytes got ", remaining_at_most(),
           "; the file is cut short or its header is wrong");
  }
}

int open_regular_file(std::string_view operation, const std::string& path, uint64_t* size,
                      bool writable) {
  // O_NONBLOCK: opening a pipe must not hang before it is refused below.
  const int descriptor =
      open(path.c_str(), (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0)
    fail(ErrorCode::kIo, operation, "cannot open '", path, "': ", std::strerror(errno));
  struct stat status;
  const bool known = fstat(descriptor, &status) == 0;
  if (!known || !S_ISREG(status.st_mode)) {
    const int reason = errno;
    close(descriptor);
    if (!known)
      fail(ErrorCode::kIo, operation, "cannot stat '", path, "': ", std::strerror(reason));
    fail(ErrorCode::kIo, operation, "'", path, "' is ",
         S_ISDIR(status.st_mode) ? "a directory" : "not a regular file",
         ": save its bytes to a file first");
  }
  *size = static_cast<uint64_t>(status.st_size);
  return descriptor;
}

FileReader::FileReader(std::string operation, const std::string& path)
    : SeekableReader(std::move(operation), concat_text("'", path, "'")),
      descriptor_(open_regular_file(this->operation(), path, &size_)) {}

FileReader::~FileReader() { close(descriptor_); }

size_t FileReader::read_some(std::span<std::byte> into) {
  while (true) {
    const ssize_t n = pread(descriptor_, into.data(), into.size(), static_cast<off_t>(position_));
    if (n >= 0) {
      position_ += static_cast<uint64_t>(n);
      return static_cast<size_t>(n);
    }
    if (errno != EINTR)
      fail(ErrorCode::kIo, operation(), "cannot read ", name(), ": ", std::strerror(errno));
  }
}

MemoryReader::MemoryReader(std::string operation, std::string name,
                           std::span<const std::byte> bytes)
    : SeekableReader(std::move(operation), std::move(name)), bytes_(bytes.data()) {
  size_ = bytes.size();
}

size_t MemoryReader::read_some(std::span<std::byte> into) {
  const size_t n = std::min<uint64_t>(into.size(), remaining_at_most());
  if (n != 0) std::memcpy(into.data(), bytes_ + position_, n);
  position_ += n;
  return n;
}

void check_inflated_size(const ByteReader& reader, uint64_t bytes, uint64_t limit) {
  if (limit == 0) {
    limit = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
            static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  }
  if (bytes > limit) {
    fail(ErrorCode::kOutOfMemory, reader.operation(), reader.name(), ": the array inflates to ",
         bytes, " bytes, more than the limit of ", limit,
         " bytes: raise max_bytes if the file is to be trusted");
  }
}

}  // namespace tenon::interop
