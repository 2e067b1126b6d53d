// Blocks: the small fixed-size pieces of host memory in which tensors, their small storage and
// graph records live. Taken from and returned to a list of the calling thread, without locks; any
// thread may return a block. Under AddressSanitizer every block is malloc'ed, so that a use after
// free is seen.
#ifndef TENON_TENSOR_BLOCK_H_
#define TENON_TENSOR_BLOCK_H_

#include <cstddef>
#include <cstdint>

namespace tenon::detail {

inline constexpr size_t kBlockSizes[] = {256, 512, 1024};
inline constexpr int kBlockClasses = 3;
constexpr int block_class(size_t bytes) {
  for (int i = 0; i < kBlockClasses; ++i) {
    if (bytes <= kBlockSizes[i]) return i;
  }
  return -1;
}

struct FreeBlock {
  FreeBlock* next;
};
struct BlockList {
  FreeBlock* head;
  uint32_t count;
};
extern thread_local constinit BlockList block_lists[kBlockClasses];

void* take_block_slow(int block_class);
void return_block_slow(void* block, int block_class) noexcept;

// 64-byte aligned; contents undefined.
inline void* take_block(int which) {
#ifndef __SANITIZE_ADDRESS__
  BlockList& list = block_lists[which];
  if (FreeBlock* head = list.head; __builtin_expect(head != nullptr, 1)) {
    list.head = head->next;
    --list.count;
    return head;
  }
#endif
  return take_block_slow(which);
}

inline constexpr uint32_t kMaxFreeBlocks = 1024;  // per thread and class

inline void return_block(void* block, int which) noexcept {
#ifndef __SANITIZE_ADDRESS__
  BlockList& list = block_lists[which];
  if (__builtin_expect(list.count - 1 < kMaxFreeBlocks - 1,
                       1)) {  // 0 means: not set up for this thread
    auto* free_block = static_cast<FreeBlock*>(block);
    free_block->next = list.head;
    list.head = free_block;
    ++list.count;
    return;
  }
#endif
  return_block_slow(block, which);
}

}  // namespace tenon::detail

#endif  // TENON_TENSOR_BLOCK_H_
