// .safetensors files: named arrays behind one JSON header, made to be mapped.
//
//   SafetensorsReader file("model.safetensors");   // reads and checks the header, maps the rest
//   file.names(), file.info("w").shape, file.metadata()
//   NdArray w = file.map("w");                     // shares the file's pages, read-only
//   NdArray c = file.read("w");                    // a copy of its own, writable
//   Tensor t = from_numpy(file.map("w"));          // a read-only tensor; the map lives as long
//
//   write_safetensors("out.safetensors", {{"w", w}, {"b", b}}, {.metadata = {{"format", "pt"}}});
//
// Read strictly: a file is refused where the reference implementation is laxer than its own
// specification. The header is one JSON object without a name twice (escapes do not hide one),
// starting with '{' and padded with spaces only; each tensor has exactly dtype, shape and
// data_offsets; the data lies without gaps, overlaps or rests; every tensor starts at a multiple of
// its item size within the data; a BOOL is 0 or 1. Nothing is allocated before lengths have been
// compared with the file.
//
// Where another writer did not pad the header to a multiple of 8, the data is misaligned in memory:
// read() copies as always, map() gives an array with is_aligned() false, which as_tensor() copies
// and from_numpy() refuses.
//
// - dtypes: all of Tenon's but complex128, which the format has not. float8 kinds that Tenon has no
//   dtype for are listed, and read and written as uint8 of the same bits where asked for
//   (float8_as_uint8, SafetensorsEntry::dtype_name). Types below 8 bits are listed only.
// - Ownership: arrays from map() keep the file mapped, those of a reader of memory the bytes'
// owner.
//   See mapped_file.h for what may happen to the file meanwhile; write_safetensors replaces a file
//   that is mapped safely.
// - Thread safety: a reader is immutable after construction.
// - Errors: kFormat saying what is wrong with which file; kDType; kInvalidArgument for a name that
//   is not there, with those that are; kIo.
// Source: https://github.com/huggingface/safetensors#format.
#ifndef TENON_INTEROP_SAFETENSORS_H_
#define TENON_INTEROP_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tenon/interop/ndarray.h"

namespace tenon::interop {

// What the header says of one tensor.
struct SafetensorsInfo {
  std::string name;
  std::string dtype_name;     // the format's: "F32", "BF16", "F8_E4M3"
  DType dtype = DType::none;  // none: Tenon has no such dtype
  Dims shape;
  uint64_t begin = 0, end = 0;  // bytes, from the start of the data
  uint64_t nbytes() const { return end - begin; }
};

struct SafetensorsReadOptions {
  bool float8_as_uint8 = false;
  // Tensors at no multiple of their item size, which older writers made: read() copies them, map()
  // gives a misaligned view. Else refused.
  bool allow_misaligned = false;
  int64_t max_header_bytes = 100'000'000;  // the format's own limit
};

class SafetensorsReader {
 public:
  explicit SafetensorsReader(const std::string& path, const SafetensorsReadOptions& options = {});
  // From memory, kept by `owner` (null: the caller keeps it while the reader and its arrays live).
  // `name` stands for the file in errors.
  explicit SafetensorsReader(std::span<const std::byte> bytes,
                             const SafetensorsReadOptions& options = {},
                             std::shared_ptr<const void> owner = nullptr,
                             const std::string& name = "<memory>");
  SafetensorsReader(SafetensorsReader&&) noexcept;
  SafetensorsReader& operator=(SafetensorsReader&&) noexcept;
  ~SafetensorsReader();

  // In the order of the data.
  const std::vector<std::string>& names() const;
  bool contains(const std::string& name) const;
  const SafetensorsInfo& info(const std::string& name) const;
  const std::map<std::string, std::string>& metadata() const;

  // A read-only view, without a copy.
  NdArray map(const std::string& name) const;
  // A copy, writable.
  NdArray read(const std::string& name) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct SafetensorsEntry {
  std::string name;
  NdArray array;
  // Says that the bits of a uint8 array are of this type of the format ("F8_E4M3", "F8_E5M2",
  // "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"). Empty: the array's own dtype.
  std::string dtype_name = {};
};

// All tensors, in the order of the data: copies, or views if `map`. The metadata too if asked.
std::vector<SafetensorsEntry> read_safetensors(
    const std::string& path, const SafetensorsReadOptions& options = {}, bool map = false,
    std::map<std::string, std::string>* metadata = nullptr);

struct SafetensorsWriteOptions {
  std::map<std::string, std::string> metadata = {};
  // Called with the bytes of data written so far, after each piece of at most 16 MiB.
  std::function<void(uint64_t written)> on_progress = {};
};

// Writes a new file in place of the old one, as a whole or not at all (atomic_file.h):
// little-endian, row-major, sorted by descending item size and then by name, the header padded with
// spaces to a multiple of 8. The same arrays give the same bytes. Names must be distinct, valid
// UTF-8, not empty and not "__metadata__".
void write_safetensors(const std::string& path, const std::vector<SafetensorsEntry>& tensors,
                       const SafetensorsWriteOptions& options = {});

}  // namespace tenon::interop

#endif  // TENON_INTEROP_SAFETENSORS_H_
