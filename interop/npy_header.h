// NpyHeader: the first bytes of a .npy file, read as the specification, written as NumPy does.
//
//   NpyHeader header = read_npy_header(reader, {});  // reader now stands at the first element
//   header.dtype, header.shape, header.fortran_order, header.byte_swapped
//
//   std::string bytes = npy_header_text(header);     // a multiple of 64 long
//
// The header is a Python dict literal; only the part of Python that it needs is understood, nothing
// is evaluated. Read: versions 1.0, 2.0 and 3.0, keys in any order and quotes, any padding, no
// newline, any alignment, hexadecimal and Python 2 (`3L`) integers. Refused, unlike in NumPy: a key
// twice, negative sizes, sizes whose product overflows. Source: NEP 1, numpy/lib/_format_impl.py.
//
// - Errors: kFormat naming the file; kDType for element types that Tenon has not, with the way out.
#ifndef TENON_INTEROP_NPY_HEADER_H_
#define TENON_INTEROP_NPY_HEADER_H_

#include <cstdint>
#include <string>

#include "tenon/base/dtype.h"
#include "tenon/interop/byte_reader.h"
#include "tenon/shape/shape.h"

namespace tenon::interop {

struct NpyHeader {
  DType dtype = DType::none;
  Dims shape;
  bool fortran_order = false;
  bool byte_swapped = false;  // the elements are big-endian
  int64_t nbytes = 0;         // of all elements; known not to overflow

  // Byte strides of the elements as they lie in the file.
  Dims byte_strides() const;
};

struct NpyHeaderRules {
  // What '|V2' and '|V1' are taken for: NumPy writes ml_dtypes' bfloat16 and float8_e4m3fn as void,
  // and float8_e5m2 as 'f1'. none: they are refused.
  DType void_as = DType::none;
  // Longer headers are refused before they are read. A true header is 128 bytes.
  int64_t max_header_bytes = 65536;
};

NpyHeader read_npy_header(ByteReader& reader, const NpyHeaderRules& rules);

// Magic, version, length and the padded dict, byte for byte as NumPy >= 1.24 writes them. `descr`
// replaces the dtype's own where it is not empty ("<u2" for bfloat16's bits).
std::string npy_header_text(const NpyHeader& header, const std::string& descr = {});

}  // namespace tenon::interop

#endif  // TENON_INTEROP_NPY_HEADER_H_
