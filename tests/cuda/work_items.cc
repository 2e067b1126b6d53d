#include "tests/cuda/work_items.h"

#include <ucontext.h>

#include <memory>
#include <vector>

namespace work_items {

thread_local Item item;

namespace {

constexpr size_t kStackBytes = 128 << 10;

// Kept from group to group; not cleared, which would take longer than the kernel.
char* StackOf(size_t number) {
  static thread_local std::vector<std::unique_ptr<char[]>> stacks;
  while (stacks.size() <= number) stacks.emplace_back(new char[kStackBytes]);
  return stacks[number].get();
}

// The items of one group, of which one runs at a time.
class Group {
 public:
  Group(const std::function<void()>& body, int32_t locals) : body_(body), fibres_(size_t(locals)) {}

  void Run() {
    for (int32_t i = 0; i < int32_t(fibres_.size()); ++i) Start(i);
    // Each is at its end or at a barrier; a round takes all on to the next.
    for (bool any = true; any;) {
      any = false;
      for (int32_t i = 0; i < int32_t(fibres_.size()); ++i) {
        if (fibres_[size_t(i)].ended) continue;
        any = true;
        Resume(i);
      }
    }
  }
  void Yield() {
    const int32_t own = item.local;
    swapcontext(&fibres_[size_t(own)].context, &scheduler_);
    item.local = own;
  }

 private:
  struct Fibre {
    ucontext_t context;
    bool ended = false;
  };
  static void Main(unsigned high, unsigned low) {
    auto* const group = reinterpret_cast<Group*>(uint64_t{high} << 32 | low);
    const int32_t own = item.local;
    group->body_();
    group->fibres_[size_t(own)].ended = true;
    item.local = own;
    setcontext(&group->scheduler_);
  }
  void Start(int32_t i) {
    Fibre& fibre = fibres_[size_t(i)];
    getcontext(&fibre.context);
    fibre.context.uc_stack.ss_sp = StackOf(size_t(i));
    fibre.context.uc_stack.ss_size = kStackBytes;
    fibre.context.uc_link = nullptr;
    const auto self = reinterpret_cast<uint64_t>(this);
    makecontext(&fibre.context, reinterpret_cast<void (*)()>(&Main), 2, unsigned(self >> 32),
                unsigned(self));
    Resume(i);
  }
  void Resume(int32_t i) {
    item.local = i;
    swapcontext(&scheduler_, &fibres_[size_t(i)].context);
  }

  const std::function<void()>& body_;
  std::vector<Fibre> fibres_;
  ucontext_t scheduler_;
};

thread_local Group* group = nullptr;
// A group's first item runs without a stack of its own until it meets a barrier; then the group
// starts anew, with one each. Nothing was written yet that the second start does not write again:
// before a first barrier kernels touch shared memory only.
struct BarrierMet {};

}  // namespace

void Barrier() {
  if (group == nullptr) throw BarrierMet();
  group->Yield();
}

void RunGrid(const std::function<void()>& body, int64_t groups, int32_t locals) {
  const Item before = item;
  bool barriers = false;
  for (int64_t g = 0; g < groups; ++g) {
    item = {g, groups, 0, locals};
    if (!barriers) {
      try {
        for (item.local = 0; item.local < locals; ++item.local) body();
        continue;
      } catch (const BarrierMet&) {
        barriers = true;
      }
    }
    item.local = 0;
    Group together(body, locals);
    group = &together;
    together.Run();
    group = nullptr;
  }
  item = before;
}

}  // namespace work_items
