#include "tenon/interop/sharing.h"

#include <string_view>

namespace tenon::interop {
namespace {

struct Words {
  Obstacle obstacle;
  std::string_view text;
};
constexpr Words kWords[] = {
    {Obstacle::kByteOrder, "the byte order is different from the native byte order"},
    {Obstacle::kOddStrides, "strides are not a multiple of the element byte size"},
    {Obstacle::kMisaligned, "the memory is not aligned for the dtype"},
    {Obstacle::kDType, "the dtype changes"},
    {Obstacle::kDevice, "the memory is on another device"},
    {Obstacle::kGradient, "it requires grad"},
};

}  // namespace

std::string Obstacles::text() const {
  std::string out;
  for (const Words& w : kWords) {
    if (!has(w.obstacle)) continue;
    if (!out.empty()) out += "; ";
    out += w.text;
  }
  return out;
}

std::string Report::text() const {
  return concat_text(shared ? "shared " : "copied ", bytes, " bytes: ", why, " (",
                     dtype_name(dtype_before), " on ", device_before, " -> ",
                     dtype_name(dtype_after), " on ", device_after, ")");
}

Obstacles obstacles_to_share(const NdArray& array, DType wanted, Device device) {
  Obstacles found;
  if (array.byte_swapped()) found.add(Obstacle::kByteOrder);
  if (!array.has_element_strides()) {
    found.add(Obstacle::kOddStrides);
  } else if (!array.is_aligned()) {
    found.add(Obstacle::kMisaligned);
  }
  if (wanted != DType::none && wanted != array.dtype()) found.add(Obstacle::kDType);
  if (!(device == Device())) found.add(Obstacle::kDevice);
  return found;
}

Obstacles obstacles_to_share(const Tensor& tensor) {
  Obstacles found;
  if (tensor.requires_grad()) found.add(Obstacle::kGradient);
  if (!tensor.device().host_addressable()) found.add(Obstacle::kDevice);
  return found;
}

}  // namespace tenon::interop
