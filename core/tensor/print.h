// Printing, as NumPy and PyTorch print.
//
//   std::cout << tensor({1.0f, 2.0f, 3.0f});      // tensor([1., 2., 3.])
//   std::string s = t.text();                     // the same characters
//   array_text(DType::int64, Dims{2, 2}, Dims{2, 1}, p)   // "[[1, 2],\n [3, 4]]"
//
// One format for a whole tensor, chosen from the elements shown: integers in floating dtypes as
// "1.", else four decimals, scientific when the largest and the smallest magnitude differ by more
// than 1000 times, or are above 1e8 or below 1e-4. Of more than 1000 elements each axis longer than
// 6 shows its first and last 3. Lines hold 80 characters. Then follow, where they are not the
// obvious: device, size (of an empty tensor), dtype (other than float32, int64, bool, complex64),
// and grad_fn=<operation> or requires_grad=True.
//
// Printing works for every layout on every device, copies only what it shows, records no graph and
// changes nothing. It waits for the device. Threads: as any read. The characters do not depend on
// the locale.
#ifndef TENON_TENSOR_PRINT_H_
#define TENON_TENSOR_PRINT_H_

#include <iosfwd>
#include <string>

#include "tenon/base/dtype.h"
#include "tenon/shape/shape.h"

namespace tenon {

class Tensor;

std::ostream& operator<<(std::ostream& out, const Tensor& t);

// The brackets alone, of an array in host memory: strides in elements, `data` its first element
// (any alignment). Lines after the first are indented by `indent` and the depth, to stand below
// text that precedes the first bracket.
std::string array_text(DType dtype, DimsView shape, DimsView strides, const void* data,
                       int indent = 0);

}  // namespace tenon

#endif  // TENON_TENSOR_PRINT_H_
