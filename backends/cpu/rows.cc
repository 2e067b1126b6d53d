#include "backends/cpu/rows.h"

#include <cstdlib>
#include <cstring>

#include "backends/cpu/strided_copy.h"
#include "tenon/abi/tenon_plugin_kit.h"

namespace tenon_cpu {
namespace {

constexpr int64_t kCacheBytes = 1 << 20;   // of the second-level cache, for what is read again
constexpr int64_t kTileBytes = 256 << 10;  // of a tile wider than it has to be
constexpr int64_t kLineBytes = 64;
constexpr int64_t kShortRow = 48;             // below, a tile beats rows one by one
constexpr int64_t kGathered = 512;            // a row of single cache lines: up to here they stay
constexpr int64_t kPieceElements = 16 << 10;  // worth a thread
constexpr int64_t kHalfChunk = 512;

template <class T>
void CopyColumn(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t n) {
  for (int64_t i = 0; i < n; ++i) std::memcpy(to + i * to_step, from + i * from_step, sizeof(T));
}

// As CopyLine, for lines so short that the call would be most of it.
inline void CopyShort(char* to, int64_t to_step, const char* from, int64_t from_step, int64_t item,
                      int64_t n) {
  if (item == 4)
    CopyColumn<uint32_t>(to, to_step, from, from_step, n);
  else
    CopyColumn<uint64_t>(to, to_step, from, from_step, n);
}

}  // namespace

Rows::Rows(std::initializer_list<const TenonTensor*> tensors, int n_inputs, bool has_output)
    : n_inputs_(n_inputs), has_output_(has_output) {
  const TenonTensor& x = **tensors.begin();
  n_ = x.sizes[x.rank - 1];
  const bool half = x.dtype == TENON_F16 || x.dtype == TENON_BF16;
  compute_ = half ? static_cast<uint32_t>(TENON_F32) : x.dtype;
  compute_item_ = tenon_dtype_size(compute_);
  if (half) {
    widen_ = FindCast(x.dtype, compute_);
    narrow_ = FindCast(compute_, x.dtype);
  }
  TenonOperand operands[kMaxTensors];
  TenonLaunch launch;
  launch.rank = x.rank;
  launch.n_operands = static_cast<uint32_t>(tensors.size());
  launch.operands = operands;
  std::copy_n(x.sizes, x.rank, launch.sizes);
  int k = 0;
  for (const TenonTensor* t : tensors) {
    operands[k].dtype = t == nullptr ? x.dtype : t->dtype;
    for (uint32_t d = 0; d < x.rank; ++d) operands[k].strides[d] = t == nullptr ? 0 : t->strides[d];
    bases_[k] = t == nullptr ? nullptr : reinterpret_cast<char*>(t->buffer + t->offset);
    ++k;
  }
  MakeSpace(launch, ~(1u << (x.rank - 1)), 0, false, &outer_);
  for (k = 0; k < static_cast<int>(tensors.size()); ++k) {
    Line& line = lines_[k];
    line.dtype = operands[k].dtype;
    line.item = tenon_dtype_size(line.dtype);
    line.step = operands[k].strides[x.rank - 1] * line.item;
    line.direct = bases_[k] == nullptr || (!half && (line.step == line.item || n_ == 1));
    line.fixed = outer_.IsBroadcast(k) && outer_.count > 1;
  }
}

bool Rows::Plan(bool has_tile_kernel) {
  const int n_rows = n_inputs_ + (has_output_ ? 1 : 0);
  bool close = true;
  n_buffers_ = 0;
  for (int k = 0; k < n_rows; ++k) {
    close = close && (lines_[k].fixed || std::llabs(lines_[k].step) <= kLineBytes);
    n_buffers_ += lines_[k].direct ? 0 : 1;
  }
  const int64_t narrowest = n_ * kTileWidth * compute_item_ * n_inputs_;
  if (has_tile_kernel && (n_ < kShortRow || (!close && narrowest <= kCacheBytes / 2))) {
    const bool across = outer_.inner_stride(0) == lines_[0].item;
    width_ = kTileWidth;
    while (across && width_ < kMaxTileWidth && width_ < outer_.inner() &&
           2 * n_ * width_ * compute_item_ * n_inputs_ <= kTileBytes)
      width_ *= 2;
    n_buffers_ = n_inputs_;
  } else if (close ? n_ * compute_item_ > kCacheBytes && outer_.count < 16 : n_ > kGathered) {
    return false;
  }
  buffer_bytes_ = (n_ * width_ * compute_item_ + 63) / 64 * 64;
  return true;
}

void Rows::ReadLine(char* to, const Line& line, const char* from, int64_t step, int64_t m) const {
  if (line.dtype == compute_) return CopyLine(to, compute_item_, from, step, compute_item_, m);
  if (step == line.item) return widen_(to, from, nullptr, nullptr, m, 0);
  char chunk[kHalfChunk * 2];
  for (int64_t i = 0; i < m; i += kHalfChunk) {
    const int64_t part = std::min(kHalfChunk, m - i);
    CopyLine(chunk, 2, from + i * step, step, 2, part);
    widen_(to + i * compute_item_, chunk, nullptr, nullptr, part, 0);
  }
}

void Rows::WriteLine(const char* from, const Line& line, char* to, int64_t step, int64_t m) const {
  if (line.dtype == compute_) return CopyLine(to, step, from, compute_item_, compute_item_, m);
  if (step == line.item) return narrow_(to, from, nullptr, nullptr, m, 0);
  char chunk[kHalfChunk * 2];
  for (int64_t i = 0; i < m; i += kHalfChunk) {
    const int64_t part = std::min(kHalfChunk, m - i);
    narrow_(chunk, from + i * compute_item_, nullptr, nullptr, part, 0);
    CopyLine(to + i * step, step, chunk, 2, 2, part);
  }
}

bool Rows::Adjacent(int tensor, const Block& block) const {
  return outer_.inner_stride(tensor) == lines_[tensor].item &&
         block.first % outer_.inner() + block.count <= outer_.inner();
}

void Rows::ReadTile(char* to, int tensor, const Block& block) const {
  const Line& line = lines_[tensor];
  const int64_t pitch = width_ * compute_item_;
  if (block.count < width_) std::memset(to, 0, static_cast<size_t>(n_ * pitch));
  if (Adjacent(tensor, block)) {
    const char* const from = At(tensor, block.first);
    for (int64_t i = 0; i < n_; ++i)
      ReadLine(to + i * pitch, line, from + i * line.step, line.item, block.count);
    return;
  }
  alignas(64) char row[kHalfChunk * sizeof(float)];
  for (int64_t c = 0; c < block.count; ++c) {
    const char* const from = At(tensor, block.first + c);
    char* const column = to + c * compute_item_;
    if (line.dtype == compute_) {
      CopyShort(column, pitch, from, line.step, compute_item_, n_);
      continue;
    }
    for (int64_t i = 0; i < n_; i += kHalfChunk) {
      const int64_t m = std::min(kHalfChunk, n_ - i);
      ReadLine(row, line, from + i * line.step, line.step, m);
      CopyShort(column + i * pitch, pitch, row, compute_item_, compute_item_, m);
    }
  }
}

void Rows::WriteTile(const char* from, int tensor, const Block& block) const {
  const Line& line = lines_[tensor];
  const int64_t pitch = width_ * compute_item_;
  if (Adjacent(tensor, block)) {
    char* const to = At(tensor, block.first);
    for (int64_t i = 0; i < n_; ++i)
      WriteLine(from + i * pitch, line, to + i * line.step, line.item, block.count);
    return;
  }
  alignas(64) char row[kHalfChunk * sizeof(float)];
  for (int64_t c = 0; c < block.count; ++c) {
    char* const to = At(tensor, block.first + c);
    const char* const column = from + c * compute_item_;
    if (line.dtype == compute_) {
      CopyShort(to, line.step, column, pitch, compute_item_, n_);
      continue;
    }
    for (int64_t i = 0; i < n_; i += kHalfChunk) {
      const int64_t m = std::min(kHalfChunk, n_ - i);
      CopyShort(row, compute_item_, column + i * pitch, pitch, compute_item_, m);
      WriteLine(row, line, to + i * line.step, line.step, m);
    }
  }
}

void Rows::RunUnits(int64_t begin, int64_t end, char* scratch,
                    void (*body)(const void* fn, const Block& block), const void* fn) const {
  const bool tiles = width_ > 1;
  char* buffers[kMaxRowInputs + 1];
  for (int k = 0, used = 0; k < n_inputs_ + (has_output_ ? 1 : 0); ++k)
    buffers[k] = scratch + (tiles || !lines_[k].direct ? used++ : 0) * buffer_bytes_;
  if (tiles) buffers[n_inputs_] = buffers[n_inputs_ - 1];
  for (int64_t u = begin; u < end; ++u) {
    Block block;
    block.first = u * width_;
    block.count = std::min(width_, outer_.count - block.first);
    block.width = width_;
    for (int k = 0; k < n_inputs_; ++k) {
      block.inputs[k] = buffers[k];
      if (tiles)
        ReadTile(buffers[k], k, block);
      else if (lines_[k].direct)
        block.inputs[k] = At(k, u);
      else if (!lines_[k].fixed || u == begin)
        ReadLine(buffers[k], lines_[k], At(k, u), lines_[k].step, n_);
    }
    const int out = n_inputs_;
    const bool copied = has_output_ && (tiles || !lines_[out].direct);
    block.output = !has_output_ ? nullptr : copied ? buffers[out] : At(out, u);
    body(fn, block);
    if (copied && tiles)
      WriteTile(buffers[out], out, block);
    else if (copied)
      WriteLine(buffers[out], lines_[out], At(out, u), lines_[out].step, n_);
  }
}

TenonStatus Rows::Run(void (*body)(const void* fn, const Block& block), const void* fn,
                      TenonError* error) const {
  const int64_t units = (outer_.count + width_ - 1) / width_;
  int64_t grain = std::max<int64_t>(1, kPieceElements / (n_ * width_));
  const int64_t bytes = buffer_bytes_ * n_buffers_;
  if (bytes == 0) {
    ParallelFor(units, grain,
                [&](int64_t begin, int64_t end) { RunUnits(begin, end, nullptr, body, fn); });
    return TENON_OK;
  }
  if (bytes <= kStackBytes) {
    ParallelFor(units, grain, [&](int64_t begin, int64_t end) {
      alignas(64) char scratch[kStackBytes];
      RunUnits(begin, end, scratch, body, fn);
    });
    return TENON_OK;
  }
  // Memory for each piece before any of them runs, so that a lack of it has no effect.
  const int64_t threads = std::max<int64_t>(1, host->num_threads(host->ctx));
  grain = std::max(grain, (units + threads - 1) / threads);
  const int64_t pieces = (units + grain - 1) / grain;
  const int64_t wanted = pieces * bytes;
  const HostMemory memory(static_cast<uint64_t>(wanted));
  if (memory.data == nullptr) {
    return tenon_fail(error, TENON_OUT_OF_MEMORY, "cpu: no %lld bytes for rows of %lld elements",
                      (long long)wanted, (long long)n_);
  }
  ParallelFor(units, grain, [&](int64_t begin, int64_t end) {
    RunUnits(begin, end, static_cast<char*>(memory.data) + begin / grain * bytes, body, fn);
  });
  return TENON_OK;
}

}  // namespace tenon_cpu
