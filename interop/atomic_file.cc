#include "tenon/interop/atomic_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tenon/base/error.h"

namespace tenon::interop {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Distinct within this process by the counter, between processes by pid and time; O_EXCL decides
// the rest.
std::string temporary_name(const std::string& directory) {
  static std::atomic<unsigned> counter{0};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  char name[64];
  std::snprintf(name, sizeof(name), "/.tenon-%x-%lx-%x.tmp", static_cast<unsigned>(getpid()),
                static_cast<unsigned long>(now.tv_nsec), counter.fetch_add(1));
  return directory + name;
}

int fsync_retrying(int descriptor) {
  int result;
  do {
    result = fsync(descriptor);
  } while (result != 0 && errno == EINTR);
  return result;
}

}  // namespace

AtomicFile::AtomicFile(std::string_view operation, const std::string& path)
    : operation_(operation), path_(path) {
  struct stat target;
  bool exists = lstat(path.c_str(), &target) == 0;
  if (exists && S_ISLNK(target.st_mode)) {
    // rename() would replace the link itself.
    std::unique_ptr<char, decltype(&std::free)> real(realpath(path.c_str(), nullptr), std::free);
    if (real == nullptr) fail_io("follow the link", errno);
    path_ = real.get();
    exists = stat(path_.c_str(), &target) == 0;
  }
  if (exists && !S_ISREG(target.st_mode)) {
    fail(ErrorCode::kIo, operation_, "cannot write '", path_, "': it is ",
         S_ISDIR(target.st_mode) ? "a directory" : "not a regular file",
         "; give the name of a file");
  }
  const std::string directory = directory_of(path_);
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = temporary_name(directory);
    descriptor_ =
        open(temporary_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0 && (errno != EEXIST || attempt == 100)) {
      fail_io("create a file beside it", errno);
    }
  }
  if (exists)
    (void)!fchmod(descriptor_, target.st_mode & 07777);  // best effort: the content matters more
}

AtomicFile::~AtomicFile() { discard(); }

void AtomicFile::write(std::span<const std::byte> bytes) { write_at(size_, bytes); }

void AtomicFile::write(std::string_view text) {
  write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::write_at(uint64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // At most 1 GiB a call: the system writes no more than 2 GiB at once anyway.
    const size_t chunk = std::min(bytes.size(), size_t{1} << (progress_ ? 24 : 30));
    const ssize_t n = pwrite(descriptor_, bytes.data(), chunk, static_cast<off_t>(offset));
    if (n < 0) {
      if (errno == EINTR) continue;
      fail_io("write", errno);
    }
    offset += static_cast<uint64_t>(n);
    size_ = std::max(size_, offset);
    bytes = bytes.subspan(static_cast<size_t>(n));
    if (progress_) progress_(size_);
  }
}

void AtomicFile::commit() {
  if (descriptor_ < 0)
    fail(ErrorCode::kInvalidArgument, operation_, "'", path_, "' is committed already");
  if (fsync_retrying(descriptor_) != 0) fail_io("bring it to the disk", errno);
  const int closed = close(descriptor_);
  descriptor_ = -1;
  if (closed != 0 && errno != EINTR) {
    const int reason = errno;
    discard();
    fail_io("close it", reason);
  }
  if (rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int reason = errno;
    discard();
    fail_io("put it in place", reason);
  }
  temporary_.clear();
  // The name is the new one from here on for every process; syncing the directory makes it so after
  // a power failure as well. File systems that cannot sync a directory say EINVAL.
  const int directory = open(directory_of(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    (void)fsync_retrying(directory);
    close(directory);
  }
}

void AtomicFile::discard() noexcept {
  if (descriptor_ >= 0) close(descriptor_);
  descriptor_ = -1;
  if (!temporary_.empty()) unlink(temporary_.c_str());
  temporary_.clear();
}

void AtomicFile::fail_io(std::string_view what, int reason) const {
  fail(ErrorCode::kIo, operation_, "cannot write '", path_, "' (", what,
       "): ", std::strerror(reason), "; what was there before is unchanged");
}

void write_file(std::string_view operation, const std::string& path, std::string_view contents) {
  AtomicFile file(operation, path);
  file.write(contents);
  file.commit();
}

}  // namespace tenon::interop
