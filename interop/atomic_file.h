// AtomicFile: a file that is there as a whole or not at all.
//
//   AtomicFile file("write_npy", "weights.npy");
//   file.write(header);
//   file.write(data);
//   file.commit();  // now, and only now, weights.npy is the new one
//
// Bytes go to a new file `.tenon-<unique>.tmp` in the same directory; commit() brings them to the
// disk (fsync), renames the file over the target and brings the directory to the disk. A process
// killed at any moment leaves the old or the new file under the name, never a torn one; it may
// leave the temporary file, which nothing reads. Everything in Tenon that writes a file uses this
// class.
//
// A target that exists keeps its permissions; a symbolic link is followed; anything but a regular
// file is refused.
//
// - Ownership: without commit() the destructor removes the temporary file; the target is unchanged.
// - Thread safety: one thread at a time for one object; any number of objects, for the same target
//   too (the last commit wins).
// - Errors: kIo naming the file and the system's reason.
#ifndef TENON_INTEROP_ATOMIC_FILE_H_
#define TENON_INTEROP_ATOMIC_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace tenon::interop {

class AtomicFile {
 public:
  // `operation` opens every error ("write_npz").
  AtomicFile(std::string_view operation, const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  // Appends.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text);

  // Overwrites (or extends) from `offset` on; where write() appends is the furthest end so far.
  void write_at(uint64_t offset, std::span<const std::byte> bytes);
  uint64_t size() const { return size_; }

  // `progress` is called with size() after each piece of at most 16 MiB that is written from now
  // on. An exception of it ends the write as an error of the file would.
  void report_to(std::function<void(uint64_t size)> progress) { progress_ = std::move(progress); }

  // Puts the file in place; nothing can be written afterwards.
  void commit();

 private:
  [[noreturn]] void fail_io(std::string_view what, int reason) const;
  void discard() noexcept;

  std::string operation_;
  std::string path_;       // the target, links followed
  std::string temporary_;  // beside it
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::function<void(uint64_t size)> progress_;
};

// All at once, for files that are made in memory (CSV, SVG).
void write_file(std::string_view operation, const std::string& path, std::string_view contents);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_ATOMIC_FILE_H_
