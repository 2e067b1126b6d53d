// .npy files: one array, as NumPy's np.save writes it.
//
//   NdArray a = read_npy("a.npy");    // copies into memory, this machine's byte order
//   NdArray b = map_npy("huge.npy");  // shares the file's pages, read-only unless asked otherwise
//   write_npy("c.npy", a);            // byte for byte what np.save writes
//
// Read: every file that the specification allows (npy_header.h says which), Fortran order as
// strides, both byte orders. Nothing is allocated before the header has been compared with the
// length of the file; nothing in a file is executed. Written: to a temporary file beside and
// renamed (atomic_file.h); data starts at a multiple of 64.
//
// - dtypes: those that NumPy has, which is all of Tenon's but bfloat16 and float8; for those see
//   `void_as` and `view_as`.
// - Thread safety: free functions without state.
// - Errors: kFormat, saying what is wrong with which file; kDType for element types that are no
//   numbers, with the way out; kIo.
#ifndef TENON_INTEROP_NPY_H_
#define TENON_INTEROP_NPY_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "tenon/interop/byte_reader.h"
#include "tenon/interop/mapped_file.h"
#include "tenon/interop/ndarray.h"
#include "tenon/interop/npy_header.h"

namespace tenon::interop {

struct NpyReadOptions {
  // What '|V2', '|V1' and 'f1' are taken for, as which NumPy writes ml_dtypes' bfloat16,
  // float8_e4m3fn and float8_e5m2. none: they are refused.
  DType void_as = DType::none;
  // A longer header is refused.
  int64_t max_header_bytes = 65536;
  // np.save called twice on one stream leaves two arrays in one file, of which np.load reads the
  // first. Unless this is set, bytes after the array are an error, so that no second array is lost
  // unnoticed.
  bool allow_trailing_bytes = false;
};

// The array in memory of its own: writable, this machine's byte order, in the file's element order
// (Fortran order becomes strides). Bytes of a bool other than 0 become 1, as NumPy's truth has it.
NdArray read_npy(const std::string& path, const NpyReadOptions& options = {});
// The same from memory; `name` stands for the file in errors.
NdArray read_npy(std::span<const std::byte> bytes, const NpyReadOptions& options = {},
                 const std::string& name = "<memory>");

// The array as a view of the mapped file: read-only, or writable in a mode of mapped_file.h; in the
// file's byte order (byte_swapped() says so), possibly misaligned where another writer did not
// align it. The file stays mapped as long as a view lives; see mapped_file.h for what may happen to
// it meanwhile. A bool array with bytes other than 0 and 1 is refused.
NdArray map_npy(const std::string& path, const NpyReadOptions& options = {},
                MapMode mode = MapMode::kRead);

struct NpyWriteOptions {
  // "bits" writes what NumPy has no dtype for as the unsigned integers of the same bits: bfloat16
  // as uint16 and float8 as uint8 (which ml_dtypes' .view(bfloat16) undoes). "u2" and "u1" ask for
  // one of the two. Empty: such arrays are refused.
  std::string view_as;
  // Called with the bytes of data written so far, after each piece of at most 16 MiB.
  std::function<void(uint64_t written)> on_progress = {};
};

// Writes in C order, or in Fortran order if the array lies so, little-endian.
void write_npy(const std::string& path, const NdArray& array, const NpyWriteOptions& options = {});

// An array in the form in which it is written, for containers of such (npz.h). `data` shares the
// array's memory where its layout allows.
struct NpyImage {
  std::string header;
  NdArray data;  // dense, this machine's byte order
  std::span<const std::byte> data_bytes() const {
    return {data.data(), static_cast<size_t>(data.nbytes())};
  }
};
NpyImage npy_image(std::string_view operation, const NdArray& array,
                   const NpyWriteOptions& options);

// Reads the elements that `header` announces from where `reader` stands.
NdArray read_npy_data(ByteReader& reader, const NpyHeader& header);

// The same without a copy: `data` are the file's bytes from the first element on, kept by `owner`,
// mapped in `mode`.
NdArray view_npy_data(const ByteReader& reader, const NpyHeader& header,
                      std::span<const std::byte> data, std::shared_ptr<const void> owner,
                      MapMode mode);

}  // namespace tenon::interop

#endif  // TENON_INTEROP_NPY_H_
