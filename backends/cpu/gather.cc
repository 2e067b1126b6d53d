// gather and scatter. Both pair the places of one tensor, enumerated along the axis, with places of
// the other, selected by the index; ROWS is ALONG with an index that is the same for all other axes
// (stride 0).
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <limits>

#include "backends/cpu/element_moves.h"
#include "backends/cpu/host.h"
#include "backends/cpu/kernels.h"
#include "backends/cpu/space.h"
#include "backends/cpu/strided_copy.h"
#include "backends/cpu/typed_entries.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

enum Operand { kEnumerated, kSelected, kIndex };

// How the positions are visited: by lines of the other axes that share an index, or by single
// elements, along the indexed axis or along such a line.
enum class Visit { kLines, kAlongAxis, kAlongLine };

struct Job {
  Space others;  // all axes but the indexed one, operands in the order above
  char* bases[3];
  int64_t steps[3];  // bytes along the axis; of the selected tensor: per unit of the index
  int64_t length;    // of the enumerated axis
  int64_t bound;     // of the selected axis
  int64_t item;
  int64_t position_step;  // from one position along the axis to the next, in the index tensor
  bool wide_index;
  bool to_selected;  // scatter
  Visit visit;
  ElementMove move;
  ArrayFn add = nullptr;  // scatter with ADD
  int64_t parts = 1;      // numbers in an element, for `add`
  std::atomic<int64_t> bad{std::numeric_limits<int64_t>::max()};  // least position out of range
};

TenonOperand AsOperand(const TenonTensor& tensor) {
  TenonOperand operand{tensor.buffer, tensor.offset, tensor.dtype, 0, {}};
  std::copy_n(tensor.strides, tensor.rank, operand.strides);
  return operand;
}

// `position`: row-major, in the index tensor.
void NoteOutOfRange(Job& job, int64_t position) {
  int64_t seen = job.bad.load(std::memory_order_relaxed);
  while (position < seen &&
         !job.bad.compare_exchange_weak(seen, position, std::memory_order_relaxed)) {
  }
}

int64_t ReadIndex(Job& job, const char* address, int64_t position) {
  bool in_range;
  const int64_t place = PlaceOf(job.wide_index ? *reinterpret_cast<const int64_t*>(address)
                                               : *reinterpret_cast<const int32_t*>(address),
                                job.bound, &in_range);
  if (!in_range) [[unlikely]]
    NoteOutOfRange(job, position);
  return place;
}

void MoveLine(const Job& job, char* enumerated, char* selected, int64_t n) {
  const int64_t e = job.others.inner_stride(kEnumerated), s = job.others.inner_stride(kSelected);
  if (job.add == nullptr) {
    if (job.to_selected)
      CopyLine(selected, s, enumerated, e, job.item, n);
    else
      CopyLine(enumerated, e, selected, s, job.item, n);
  } else if (e == job.item && s == job.item) {
    job.add(selected, selected, enumerated, nullptr, n * job.parts, 0);
  } else {
    for (int64_t i = 0; i < n; ++i)
      job.add(selected + i * s, selected + i * s, enumerated + i * e, nullptr, job.parts, 0);
  }
}

// Positions [at, at + n) of the other axes, which are on one line, and [j0, j1) of the axis.
void RunSegment(Job& job, int64_t at, int64_t n, int64_t j0, int64_t j1) {
  const Space& others = job.others;
  char* enumerated =
      job.bases[kEnumerated] + others.Offset(kEnumerated, at) + j0 * job.steps[kEnumerated];
  char* selected = job.bases[kSelected] + others.Offset(kSelected, at);
  const char* index = job.bases[kIndex] + others.Offset(kIndex, at) + j0 * job.steps[kIndex];
  int64_t position = others.Index(at) + j0 * job.position_step;
  if (job.visit == Visit::kAlongAxis) {
    const int64_t bad = job.move({enumerated, selected, index, job.steps[kEnumerated], 0,
                                  job.steps[kIndex], job.steps[kSelected], job.bound},
                                 j1 - j0);
    if (bad < j1 - j0) NoteOutOfRange(job, position + bad * job.position_step);
    return;
  }
  for (int64_t j = j0; j < j1; ++j) {
    if (job.visit == Visit::kLines) {
      const int64_t place = ReadIndex(job, index, position);
      MoveLine(job, enumerated, selected + place * job.steps[kSelected], n);
    } else {
      const int64_t bad = job.move({enumerated, selected, index, others.inner_stride(kEnumerated),
                                    others.inner_stride(kSelected), others.inner_stride(kIndex),
                                    job.steps[kSelected], job.bound},
                                   n);
      if (bad < n) NoteOutOfRange(job, position + bad * others.index_strides[others.rank - 1]);
    }
    enumerated += job.steps[kEnumerated];
    index += job.steps[kIndex];
    position += job.position_step;
  }
}

Visit ChooseVisit(const Job& job) {
  const Space& others = job.others;
  if (others.inner() == 1) return Visit::kAlongAxis;
  // Of what is written; the other side may be one element for all. A few elements are no line worth
  // a call.
  const int written = job.to_selected ? kSelected : kEnumerated;
  const bool axis_is_close =
      job.length >= 16 && std::llabs(job.steps[written]) < std::llabs(others.inner_stride(written));
  if (axis_is_close) return Visit::kAlongAxis;
  return others.inner_stride(kIndex) == 0 ? Visit::kLines : Visit::kAlongLine;
}

// How many elements of a line are visited before the axis moves on.
int64_t SegmentOf(const Job& job) {
  if (job.visit == Visit::kAlongAxis) return 1;
  return job.to_selected ? std::max<int64_t>(16, 1024 / job.item) : (16 << 10) / job.item;
}

void Run(Job& job) {
  const int64_t inner = job.others.inner();
  const int64_t segment = std::min(inner, SegmentOf(job));
  const int64_t per_line = (inner + segment - 1) / segment;
  const int64_t segments = job.others.count / inner * per_line;
  const auto run = [&](int64_t s, int64_t j0, int64_t j1) {
    const int64_t start = s % per_line * segment;
    RunSegment(job, s / per_line * inner + start, std::min(segment, inner - start), j0, j1);
  };
  // A gather may also be cut along the axis; a scatter may not: the order there is the result.
  constexpr int64_t kWorth = 16 << 10;  // elements
  if (job.to_selected) {
    ParallelFor(segments, std::max<int64_t>(1, kWorth / (segment * job.length)),
                [&](int64_t begin, int64_t end) {
                  for (int64_t s = begin; s < end; ++s) run(s, 0, job.length);
                });
    return;
  }
  ParallelFor(segments * job.length, std::max<int64_t>(1, kWorth / segment),
              [&](int64_t begin, int64_t end) {
                while (begin < end) {
                  const int64_t j0 = begin % job.length,
                                j1 = std::min(job.length, j0 + (end - begin));
                  run(begin / job.length, j0, j1);
                  begin += j1 - j0;
                }
              });
}

TenonStatus Check(const TenonIndexArgs& a, bool scatter, TenonError* error) {
  if (a.size < sizeof a)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: TenonIndexArgs of %u bytes", a.size);
  if (!tenon_struct_ok(&a, sizeof a) || a.flags != 0 || a.reserved != 0 ||
      a.mode > TENON_INDEX_ALONG || a.combine > TENON_SCATTER_ADD) {
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: unknown fields, mode %u or combination %u",
                      a.mode, a.combine);
  }
  const TenonTensor& enumerated = scatter ? a.src : a.dst;
  const TenonTensor& selected = scatter ? a.dst : a.src;
  const uint32_t rank = a.dst.rank;
  if (a.src.rank != rank || rank == 0 || rank > TENON_ABI_MAX_RANK || a.axis >= rank ||
      a.src.dtype != a.dst.dtype || tenon_dtype_size(a.src.dtype) == 0) {
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: axis %u, ranks %u and %u, %s and %s",
                      a.axis, a.src.rank, rank, tenon_dtype_name(a.src.dtype),
                      tenon_dtype_name(a.dst.dtype));
  }
  if (a.index.dtype != TENON_I32 && a.index.dtype != TENON_I64)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: an index of %s",
                      tenon_dtype_name(a.index.dtype));
  const bool rows = a.mode == TENON_INDEX_ROWS;
  bool fits = a.index.rank == (rows ? 1u : rank) &&
              a.index.sizes[rows ? 0 : a.axis] == enumerated.sizes[a.axis];
  for (uint32_t d = 0; fits && d < rank; ++d) {
    fits = a.src.sizes[d] > 0 && a.dst.sizes[d] > 0 &&
           (d == a.axis ||
            (a.src.sizes[d] == a.dst.sizes[d] && (rows || a.index.sizes[d] == a.dst.sizes[d])));
  }
  if (!fits || selected.sizes[a.axis] <= 0)
    return tenon_fail(error, TENON_INVALID_ARGUMENT,
                      "cpu: the sizes of source, index and destination do not fit along axis %u",
                      a.axis);
  if (scatter && a.combine == TENON_SCATTER_ADD && a.src.dtype == TENON_BOOL)
    return tenon_fail(error, TENON_UNSUPPORTED, "cpu: no addition of bool");
  return TENON_OK;
}

TenonStatus IndexCall(bool scatter, const TenonIndexArgs* args, TenonCall* call,
                      TenonError* error) {
  if (args == nullptr) return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: no arguments");
  if (const TenonStatus status = CheckCall(call, error); status != TENON_OK) return status;
  const TenonIndexArgs& a = *args;
  if (const TenonStatus status = Check(a, scatter, error); status != TENON_OK) return status;
  if (call != nullptr) call->workspace_bytes = 0;
  if (call != nullptr && (call->flags & TENON_CALL_DRY_RUN) != 0) return TENON_OK;
  if (a.src.buffer == 0 || a.dst.buffer == 0 || a.index.buffer == 0 || a.out_of_range == 0)
    return tenon_fail(error, TENON_INVALID_ARGUMENT, "cpu: an index call without buffers");

  const TenonTensor& enumerated = scatter ? a.src : a.dst;
  const TenonTensor& selected = scatter ? a.dst : a.src;
  TenonTensor index = a.index;
  TenonLaunch launch{};
  launch.rank = a.dst.rank;
  Job job;
  job.position_step = 1;
  if (a.mode == TENON_INDEX_ROWS) {
    index.rank = a.dst.rank;
    std::fill_n(index.strides, index.rank, 0);
    index.strides[a.axis] = a.index.strides[0];
  } else {
    int64_t stride = 1;
    for (uint32_t d = launch.rank; d-- > 0; stride *= a.index.sizes[d])
      launch.index_strides[d] = stride;
    job.position_step = launch.index_strides[a.axis];
  }
  const TenonTensor* tensors[3] = {&enumerated, &selected, &index};
  TenonOperand operands[3];
  for (int k = 0; k < 3; ++k) {
    operands[k] = AsOperand(*tensors[k]);
    job.bases[k] = Address(operands[k]);
    job.steps[k] = tensors[k]->strides[a.axis] * tenon_dtype_size(tensors[k]->dtype);
  }
  launch.n_operands = 3;
  launch.operands = operands;
  std::copy_n(a.dst.sizes, launch.rank, launch.sizes);
  MakeSpace(launch, ~(1u << a.axis), scatter ? kSelected : kEnumerated, true, &job.others);
  job.length = enumerated.sizes[a.axis];
  job.bound = selected.sizes[a.axis];
  job.item = tenon_dtype_size(a.src.dtype);
  job.wide_index = a.index.dtype == TENON_I64;
  job.to_selected = scatter;
  job.move = scatter ? FindElementScatter(job.item, job.wide_index)
                     : FindElementGather(job.item, job.wide_index);
  if (scatter && a.combine == TENON_SCATTER_ADD) {
    const bool is_complex = a.src.dtype == TENON_C64 || a.src.dtype == TENON_C128;
    uint32_t number = a.src.dtype;
    if (is_complex) number = a.src.dtype == TENON_C64 ? TENON_F32 : TENON_F64;
    job.parts = is_complex ? 2 : 1;
    job.add = FindArithmetic(TENON_OP_ADD, number);
    job.move = FindElementAdd(a.src.dtype, job.wide_index);
  }
  job.visit = ChooseVisit(job);
  Run(job);
  const int64_t bad = job.bad.load(std::memory_order_relaxed);
  if (bad != std::numeric_limits<int64_t>::max())
    *reinterpret_cast<int64_t*>(a.out_of_range + a.out_of_range_offset) = bad + 1;
  return TENON_OK;
}

}  // namespace

TenonStatus CheckCall(const TenonCall* call, TenonError* error) {
  return tenon_check_call(call, "cpu", error);
}

TenonStatus Gather(TenonDevice, TenonStream, const TenonIndexArgs* args, TenonCall* call,
                   TenonError* error) noexcept {
  return IndexCall(false, args, call, error);
}
TenonStatus Scatter(TenonDevice, TenonStream, const TenonIndexArgs* args, TenonCall* call,
                    TenonError* error) noexcept {
  return IndexCall(true, args, call, error);
}

}  // namespace tenon_cpu
