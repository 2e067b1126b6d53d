#include "tenon/tensor/block.h"

#include <cstdlib>
#include <new>

namespace tenon::detail {

// `count` is one more than the blocks in the list; 0 until this thread has one, and again after it
// ended.
thread_local constinit BlockList block_lists[kBlockClasses] = {};

namespace {

// Gives the thread's blocks back when it ends. Tensors may die later still (in other thread-local
// destructors): those blocks go straight to the heap.
struct ThreadEnd {
  bool closed = false;
  ~ThreadEnd() {
    closed = true;
    for (BlockList& list : block_lists) {
      while (list.head) {
        FreeBlock* block = list.head;
        list.head = block->next;
        std::free(block);
      }
      list.count = 0;
    }
  }
};
thread_local ThreadEnd thread_end;

}  // namespace

void* take_block_slow(int which) {
#ifndef __SANITIZE_ADDRESS__
  if (block_lists[which].count == 0 && !thread_end.closed) block_lists[which].count = 1;
#endif
  void* block = std::aligned_alloc(64, kBlockSizes[which]);
  if (!block) throw std::bad_alloc();
  return block;
}

void return_block_slow(void* block, int) noexcept { std::free(block); }

}  // namespace tenon::detail
