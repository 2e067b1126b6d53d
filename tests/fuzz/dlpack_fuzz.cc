// Any bytes as a DLPack struct, but for pointers, which are those of a small buffer that the struct
// claims to describe: every import ends in an Error with the struct untouched, or in a tensor; one
// that lies within the buffer can be read, and its deleter has been called exactly once at the end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "tenon/base/error.h"
#include "tenon/interop/dlpack.h"

namespace {

using tenon::dlpack_dtype;
using tenon::DType;
using tenon::Error;
using tenon::from_dlpack;
using tenon::FromDlpackOptions;
using tenon::kDTypeCount;
using tenon::kMaxRank;
using tenon::Tensor;
using tenon::dlpack::DLDataType;
using tenon::dlpack::DLManagedTensor;
using tenon::dlpack::DLManagedTensorVersioned;
using tenon::dlpack::DLTensor;
using tenon::dlpack::kDLCPU;
using tenon::dlpack::kDLCUDAHost;

constexpr int kMaxDims = 127;  // beyond what is allowed
constexpr int64_t kBuffer = 4096;

// Numbers taken from the input, zero behind its end.
struct Input {
  const uint8_t* data;
  size_t size;
  template <class T>
  T take() {
    T value{};
    const size_t n = std::min(sizeof(T), size);
    if (n != 0) std::memcpy(&value, data, n);
    data += n;
    size -= n;
    return value;
  }
  // Mostly small: the input's byte, at times all of a number.
  int64_t number() {
    const auto kind = take<uint8_t>();
    return kind < 200 ? static_cast<int8_t>(take<uint8_t>()) : take<int64_t>();
  }
};

void require(bool holds) {
  if (!holds) std::abort();
}

// Whether every element that the struct describes lies in the buffer; in double, which is exact
// where it matters. True for structs that are refused before anything is read.
bool lies_within(const DLTensor& t) {
  if (t.ndim < 0 || t.ndim > kMaxRank || (t.ndim > 0 && t.shape == nullptr)) return true;
  const double item = std::max(1, t.dtype.bits / 8);
  double low = static_cast<double>(t.byte_offset), high = low + item, elements = 1;
  for (int i = 0; i < t.ndim; ++i) {
    const auto size = static_cast<double>(t.shape[i]);
    if (size <= 0) return true;
    elements *= size;
    if (t.strides == nullptr) continue;
    const double reach = static_cast<double>(t.strides[i]) * item * (size - 1);
    (reach < 0 ? low : high) += reach;
  }
  if (t.strides == nullptr) high = low + elements * item;
  return low >= 0 && high <= kBuffer && elements < 100000;
}

int deleted = 0;

template <class Managed>
void import(Managed& m, const FromDlpackOptions& options) {
  deleted = 0;
  m.deleter = [](Managed*) { ++deleted; };
  const Managed before = m;
  const bool within = lies_within(m.dl_tensor);
  // A copy reads everything, which is only fair where there is memory.
  if (!within && options.copy != false) return;
  try {
    const Tensor t = from_dlpack(&m, options);
    require(t.ndim() == before.dl_tensor.ndim && t.size() >= 0);
    if (within && t.size() > 0) {
      require(t.contiguous().size() == t.size());
      require(!t.text().empty());
    }
  } catch (const Error&) {
    require(deleted == 0 && std::memcmp(&before, &m, sizeof m) == 0);
    return;
  }
  require(deleted == 1);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  alignas(64) static std::byte buffer[kBuffer];
  static int64_t shape[kMaxDims], strides[kMaxDims];
  Input in{data, size};
  const auto choices = in.take<uint8_t>();
  DLTensor t{};
  t.data = (choices & 1) ? nullptr : buffer;
  // Devices other than these load every plug-in there is, once each: not what is looked for here.
  t.device = {(choices & 2) ? kDLCUDAHost : kDLCPU, in.take<int8_t>()};
  t.ndim = in.take<int8_t>();
  const DType dtype = static_cast<DType>(1 + in.take<uint8_t>() % (kDTypeCount - 1));
  t.dtype = (choices & 4) ? in.take<DLDataType>() : dlpack_dtype(dtype);
  t.shape = (choices & 8) ? nullptr : shape;
  t.strides = (choices & 16) ? nullptr : strides;
  t.byte_offset = static_cast<uint64_t>(in.number());
  for (int i = 0; i < kMaxDims; ++i) {
    const bool given = i < t.ndim;
    shape[i] = given ? in.number() : 0;
    strides[i] = given ? in.number() : 0;
  }
  FromDlpackOptions options;
  options.float8_as_uint8 = (choices & 32) != 0;
  if (choices & 64) options.copy = (choices & 128) != 0;
  DLManagedTensorVersioned versioned{};
  versioned.version = {in.take<uint8_t>() < 230 ? 1u : 2u, in.take<uint8_t>()};
  versioned.flags = in.take<uint8_t>();
  versioned.dl_tensor = t;
  import(versioned, options);
  DLManagedTensor unversioned{};
  unversioned.dl_tensor = t;
  import(unversioned, options);
  return 0;
}
