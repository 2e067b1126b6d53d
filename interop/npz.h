// .npz files: named arrays in a zip archive, as np.savez and np.savez_compressed write them.
//
//   write_npz("weights.npz", {{"w", w}, {"b", b}});   // stored; {.compressed = true} deflates
//   for (auto& [name, array] : read_npz("weights.npz")) ...
//
//   NpzReader file("data.npz");         // reads the directory only
//   file.header("x_train").shape;       // without reading the data
//   NdArray x = file.read("x_train");   // one array, checksum verified
//   NdArray y = file.map("x_train");    // shares the file's pages; stored members only
//
// Names: an array "w" is the member "w.npy"; both names find it.
//
// Trust: the archive's central directory is the truth. Members that share a name, are encrypted or
// packed by anything but deflate are refused. A member's size must be what its header's shape
// takes, and possible for its packed size, before anything is allocated. CRC-32 is verified by
// read(). Nothing is extracted to disk, nothing is executed. More than 4 GiB (ZIP64) is read and
// written.
//
// - dtypes: as npy.h.
// - Thread safety: one thread at a time for one NpzReader; its arrays are independent of it.
// - Errors: kFormat naming file and member; kInvalidArgument for a name that is not there, with
//   those that are; kOutOfMemory beyond max_bytes; kDType; kIo.
#ifndef TENON_INTEROP_NPZ_H_
#define TENON_INTEROP_NPZ_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenon/interop/ndarray.h"
#include "tenon/interop/npy.h"
#include "tenon/interop/npy_header.h"

namespace tenon::interop {

struct NpzEntry {
  std::string name;
  NdArray array;
};

struct NpzReadOptions {
  DType void_as = DType::none;       // as NpyReadOptions
  int64_t max_header_bytes = 65536;  // of each member
  uint64_t max_bytes = 0;            // of one inflated array; 0: the memory of this machine
};

class NpzReader {
 public:
  explicit NpzReader(const std::string& path, const NpzReadOptions& options = {});
  // From memory, which must outlive the reader. `name` stands for the file in errors.
  explicit NpzReader(std::span<const std::byte> bytes, const NpzReadOptions& options = {},
                     const std::string& name = "<memory>");
  NpzReader(NpzReader&&) noexcept;
  NpzReader& operator=(NpzReader&&) noexcept;
  ~NpzReader();

  // The arrays' names without ".npy", in the archive's order.
  const std::vector<std::string>& names() const;
  bool contains(const std::string& name) const;

  // Whether map() can share this member.
  bool is_stored(const std::string& name) const;

  // dtype, shape and order, from the first bytes of the member.
  NpyHeader header(const std::string& name) const;

  // A copy, writable, this machine's byte order.
  NdArray read(const std::string& name) const;

  // A view of the mapped file, which it keeps mapped; see map_npy. Read-only, or writable with the
  // writes kept in this process's memory (kCopyOnWrite). kReadWrite is refused: the archive holds
  // the checksum of what it was. The checksum is not
  // verified, since that would read everything. write_npz aligns the data to 64; NumPy does not, so
  // that of its files the view may be misaligned (NdArray::is_aligned). Refused for compressed
  // members and for readers of memory.
  NdArray map(const std::string& name, MapMode mode = MapMode::kRead) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// All arrays, in the archive's order.
std::vector<NpzEntry> read_npz(const std::string& path, const NpzReadOptions& options = {});

struct NpzWriteOptions {
  bool compressed = false;  // deflate, as np.savez_compressed
  std::string view_as;      // "bits" for bfloat16 and float8 arrays, as NpyWriteOptions
  // Called now and then with how many bytes of the arrays are written; must not throw.
  std::function<void(uint64_t written)> on_progress = {};
};

// Writes a new archive in place of the file, as a whole or not at all (atomic_file.h). The same
// arrays give the same bytes: members carry no time. Names must be distinct, not empty, UTF-8.
// Needs no memory beyond copies of the arrays that are not dense.
void write_npz(const std::string& path, const std::vector<NpzEntry>& arrays,
               const NpzWriteOptions& options = {});

}  // namespace tenon::interop

#endif  // TENON_INTEROP_NPZ_H_
