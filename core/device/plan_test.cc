// Proves that every way from a kernel to its result gives the same values: one launch, rewritten
// opcodes, parts with temporaries, the host; for any strides, shared memory and scalars; and that
// the ways are counted, masked, forbidden.
#include "tenon/device/plan.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <numeric>
#include <thread>

#include "tenon/device/builtin.h"
#include "tenon/device/copy.h"
#include "tenon/device/fake_backend.h"
#include "tenon/device/memory.h"
#include "tenon/device/plan_cache.h"
#include "tenon/map/builder.h"

namespace tenon {
namespace {

using Host = testing::Fake<0>;    // takes everything, in host memory
using Full = testing::Fake<1>;    // takes everything, lazily
using Small = testing::Fake<2>;   // 8 operands, 32 instructions, 4 scalars
using Single = testing::Fake<3>;  // programs of up to four instructions only
using Store = testing::Fake<4>;   // no compute
using Masked = testing::Fake<5>;  // see TENON_MASK below
using Bare = testing::Fake<6>;    // has no optional opcode and says so
using Liar = testing::Fake<7>;    // has none and says that it has

}  // namespace

std::span<const TenonEntryFn> builtin_backends() {
  static const TenonEntryFn entries[] = {Host::entry,  Full::entry,   Small::entry, Single::entry,
                                         Store::entry, Masked::entry, Bare::entry,  Liar::entry};
  Host::settings().name = "cpu";
  Host::settings().host_addressable = true;
  Host::settings().typed = true;
  Host::settings().max_instrs = 128;
  Full::settings().name = "full";
  Full::settings().asynchronous = true;
  Full::settings().typed = true;
  Full::settings().max_instrs = 128;
  Small::settings().name = "small";
  Small::settings().asynchronous = true;
  Small::settings().max_operands = 8;
  Small::settings().max_instrs = 32;
  Small::settings().max_scalars = 4;
  Single::settings().name = "single";
  Single::settings().refuse = [](const TenonKernelDesc& d) { return d.program->n_instr > 4; };
  Store::settings().name = "store";
  Store::settings().asynchronous = true;
  Store::settings().compute = false;
  const auto refuse_optional = [](const TenonKernelDesc& d) {
    for (uint32_t i = 0; i < d.program->n_instr; ++i) {
      if (!map::opcode_required(d.program->instr[i].op)) return true;
    }
    return false;
  };
  Bare::settings().name = "bare";
  Bare::settings().refuse = refuse_optional;
  Bare::settings().opcodes[0] = Bare::settings().opcodes[1] =
      0;  // those of required ones are implied
  Liar::settings().name = "liar";
  Liar::settings().refuse = refuse_optional;
  Masked::settings().name = "masked";
  Masked::settings().typed = true;
  return entries;
}

namespace {

using map::Builder;
using map::Kernel;
using map::Value;

#define EXPECT_HAS(text, piece) \
  EXPECT_NE(std::string(text).find(piece), std::string::npos) << (text)

uint64_t count_of(Device d, const std::string& operation) {
  for (const FallbackCount& c : fallback_counts()) {
    if (c.device == d.text() && c.operation == operation) return c.count;
  }
  return 0;
}

// A block of floats on a device, with a copy on the host to compare.
struct Floats {
  Device device;
  std::vector<float> host;
  Memory memory;
  Floats(Device d, size_t n, float first) : device(d), host(n) {
    std::iota(host.begin(), host.end(), first);
    memory = allocate(d.state(), *d.state().default_stream, n * 4);
    copy_from_host(*d.state().default_stream, memory.buffer, memory.offset, host.data(), n * 4);
  }
  ~Floats() { release(memory); }
  std::vector<float> now() const {
    std::vector<float> v(host.size());
    copy_to_host(*device.state().default_stream, v.data(), memory.buffer, memory.offset,
                 v.size() * 4);
    return v;
  }
  TenonOperand operand(int64_t first, std::initializer_list<int64_t> strides) const {
    TenonOperand o{};
    o.buffer = memory.buffer;
    o.offset = memory.offset + static_cast<uint64_t>(first * 4);
    o.dtype = TENON_F32;
    std::copy(strides.begin(), strides.end(), o.strides);
    return o;
  }
};

void launch(Device d, const Kernel& k, std::vector<TenonOperand> operands,
            std::initializer_list<int64_t> sizes, std::vector<uint64_t> scalars = {},
            uint32_t flags = 0, uint32_t reduce_axes = 0) {
  TenonLaunch l{};
  l.size = sizeof l;
  l.flags = flags;
  l.rank = static_cast<uint32_t>(sizes.size());
  l.reduce_axes = reduce_axes;
  l.operands = operands.data();
  l.n_operands = static_cast<uint32_t>(operands.size());
  l.scalars = scalars.data();
  l.n_scalars = static_cast<uint32_t>(scalars.size());
  std::copy(sizes.begin(), sizes.end(), l.sizes);
  int64_t stride = 1;
  for (uint32_t i = l.rank; i-- > 0;) {
    l.index_strides[i] = stride;
    stride *= l.sizes[i];
  }
  run(plan_for(d.state(), k), *d.state().default_stream, l);
}

Value mul_add(Builder& b, Value x, Value y, double c) {
  const Value p = b.emit(TENON_OP_MUL, DType::float32, x, y);
  return b.emit(TENON_OP_ADD, DType::float32, p, b.constant(c, DType::float32));
}

Kernel binary(const char* name, uint16_t op) {
  Builder b;
  const Value x = b.input(DType::float32), y = b.input(DType::float32);
  Kernel k;
  k.name = name;
  k.program = b.finish({b.emit(op, DType::float32, x, y)});
  return k;
}

// x and y through `steps` rounds of x = x * y + 1, with the sum of all rounds as a second output.
Kernel long_chain(int steps) {
  Builder b;
  Value x = b.input(DType::float32);
  const Value y = b.input(DType::float32);
  Value sum = x;
  for (int i = 0; i < steps; ++i) {
    x = mul_add(b, x, y, 1 + i);
    sum = b.emit(TENON_OP_ADD, DType::float32, sum, x);
  }
  Kernel k;
  k.name = "long_chain";
  k.program = b.finish({x, sum});
  return k;
}

TEST(Plan, IsFoundAgainByContentWhateverTheName) {
  const Device d("full");
  const Kernel a = binary("a", TENON_OP_ADD), b = binary("b", TENON_OP_ADD),
               c = binary("c", TENON_OP_MUL);
  const Plan& plan = plan_for(d.state(), a);
  EXPECT_NE(plan.kernel, 0u);
  EXPECT_EQ(&plan_for(d.state(), b), &plan);
  EXPECT_NE(&plan_for(d.state(), c), &plan);
  EXPECT_NE(&plan_for(Device("cpu").state(), a), &plan);
}

TEST(Plan, ManyThreadsMakeItOnce) {
  const Device d("full");
  const Kernel k = long_chain(5);
  const int before = Full::counters().kernels;
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&] { EXPECT_NE(plan_for(d.state(), k).kernel, 0u); });
  for (auto& t : threads) t.join();
  EXPECT_EQ(Full::counters().kernels, before + 1);
}

TEST(Plan, TheSlopesAreNotSent) {
  Builder b;
  const Value x = b.input(DType::float32);
  const Value y = b.emit(TENON_OP_EXP, DType::float32, x);
  b.add_slope(y, x, b.emit(TENON_OP_SIN, DType::float32, x));
  Kernel with;
  with.name = "exp";
  with.program = b.finish({y});
  ASSERT_FALSE(with.program.slopes.empty());
  const Plan& plan = plan_for(Device("full").state(), with);
  EXPECT_TRUE(plan.source.program.slopes.empty());
  EXPECT_FALSE(plan.source.program.uses(TENON_OP_SIN));
}

TEST(Plan, EveryWayGivesTheSameValues) {
  const Kernel k = long_chain(20);
  std::vector<float> expected_x, expected_sum;
  for (const char* name : {"cpu", "full", "small", "single", "store"}) {
    const Device d(name);
    Floats x(d, 12, 0.25f), y(d, 12, -3.5f), out(d, 12, 100), sum(d, 12, 200);
    for (float& v : y.host) v /= 8;
    copy_from_host(*d.state().default_stream, y.memory.buffer, y.memory.offset, y.host.data(), 48);
    launch(d, k,
           {x.operand(0, {4, 1}), y.operand(0, {4, 1}), out.operand(0, {4, 1}),
            sum.operand(0, {4, 1})},
           {3, 4});
    if (expected_x.empty()) {
      expected_x = out.now();
      expected_sum = sum.now();
      float v = x.host[5];
      for (int i = 0; i < 20; ++i) v = v * y.host[5] + 1 + static_cast<float>(i);
      EXPECT_FLOAT_EQ(expected_x[5], v);
    }
    EXPECT_EQ(out.now(), expected_x) << name;
    EXPECT_EQ(sum.now(), expected_sum) << name;
  }
  EXPECT_NE(plan_for(Device("full").state(), k).kernel, 0u);
  const Plan& small = plan_for(Device("small").state(), k);
  EXPECT_EQ(small.kernel, 0u);
  EXPECT_GT(small.steps->parts.size(), 1u);
  EXPECT_GT(plan_for(Device("single").state(), k).steps->parts.size(), 20u);
  EXPECT_EQ(count_of(Device("small"), "long_chain"), 0u);
  EXPECT_EQ(count_of(Device("store"), "long_chain"), 1u);
}

TEST(Plan, OptionalOpcodesAreRewrittenAlsoWhenTheBitsLie) {
  Builder b;
  const Value x = b.input(DType::float32), y = b.input(DType::float32);
  const Value grown = b.emit(TENON_OP_EXPM1, DType::float32, x);
  Kernel elementwise, sum;
  elementwise.name = "expm1_plus";
  elementwise.program = b.finish({b.emit(TENON_OP_ADD, DType::float32, grown, y)});
  sum.name = "sum_of_expm1";
  sum.program = elementwise.program;
  TenonReducer r{};
  r.kind = TENON_SUM;
  r.acc_dtype = TENON_F32;
  r.value = static_cast<uint16_t>(sum.program.outputs[0]);
  sum.program.outputs.clear();
  sum.reducers = {r};
  Builder e;
  sum.epilogue = e.finish({e.input(DType::float32)});
  for (const char* name : {"cpu", "bare", "liar"}) {
    const Device d(name);
    Floats v(d, 6, -2), w(d, 6, 1), out(d, 6, 0), total(d, 1, 0);
    launch(d, elementwise, {v.operand(0, {1}), w.operand(0, {1}), out.operand(0, {1})}, {6});
    launch(d, sum, {v.operand(0, {1}), w.operand(0, {1}), total.operand(0, {0})}, {6}, {}, 0, 1);
    const std::vector<float> got = out.now();
    double all = 0;
    for (size_t i = 0; i < 6; ++i) {
      const double expected = std::expm1(double{v.host[i]}) + w.host[i];
      EXPECT_NEAR(got[i], expected, 4e-6 * std::abs(expected)) << name << " " << i;
      all += expected;
    }
    EXPECT_NEAR(total.now()[0], all, 4e-6 * all) << name;
    EXPECT_EQ(count_of(d, "expm1_plus") + count_of(d, "sum_of_expm1"), 0u) << name;
  }
}

TEST(Plan, PartsKeepScalarsIndicesAndAliases) {
  Builder b;
  Value v = b.input(DType::float32);
  const Value input = v;
  std::vector<Value> s;
  for (int i = 0; i < 6; ++i)
    s.push_back(b.scalar(DType::float32));  // more than `small` takes at once
  for (const Value& scalar : s)
    v = b.emit(TENON_OP_ADD, DType::float32, b.emit(TENON_OP_MUL, DType::float32, v, v), scalar);
  v = b.emit(TENON_OP_ADD, DType::float32, v, b.emit(TENON_OP_CAST, DType::float32, b.index()));
  v = b.emit(TENON_OP_SUB, DType::float32, v, input);  // read again at the end
  Kernel k;
  k.name = "scalars";
  k.program = b.finish({v});
  std::vector<uint64_t> scalars;
  for (int i = 0; i < 6; ++i) {
    const float f = 0.125f * static_cast<float>(i);
    uint32_t bits;
    memcpy(&bits, &f, 4);
    scalars.push_back(bits);
  }
  std::vector<float> expected;
  for (const char* name : {"cpu", "full", "small", "single", "store"}) {
    const Device d(name);
    Floats x(d, 6, -0.5f);
    for (float& f : x.host) f /= 4;
    copy_from_host(*d.state().default_stream, x.memory.buffer, x.memory.offset, x.host.data(), 24);
    launch(d, k, {x.operand(0, {3, 1}), x.operand(0, {3, 1})}, {2, 3}, scalars,
           TENON_LAUNCH_MAY_ALIAS);
    if (expected.empty()) expected = x.now();
    EXPECT_EQ(x.now(), expected) << name;
  }
}

TEST(Plan, ReductionsInParts) {
  // sum over axis 1 of a long program, then an epilogue.
  Kernel k = long_chain(15);
  k.name = "reduce_chain";
  TenonReducer r{};
  r.kind = TENON_SUM;
  r.acc_dtype = TENON_F32;
  r.value = static_cast<uint16_t>(k.program.outputs[1]);
  Builder e;
  const Value acc = e.input(DType::float32);
  k.epilogue = e.finish({e.emit(TENON_OP_MUL, DType::float32, acc, acc)});
  k.reducers = {r};
  k.program.outputs.clear();
  std::vector<float> expected;
  for (const char* name : {"cpu", "full", "small", "single", "store"}) {
    const Device d(name);
    Floats x(d, 6, 0.25f), y(d, 6, 1), out(d, 2, 0);
    for (float& f : y.host) f /= 8;
    copy_from_host(*d.state().default_stream, y.memory.buffer, y.memory.offset, y.host.data(), 24);
    launch(d, k, {x.operand(0, {3, 1}), y.operand(0, {3, 1}), out.operand(0, {1, 0})}, {2, 3}, {},
           0, 2);
    if (expected.empty()) expected = out.now();
    EXPECT_EQ(out.now(), expected) << name;
  }
  EXPECT_GT(expected[0], 0);
}

TEST(Fallback, KeepsGapsAndFollowsNegativeStrides) {
  const Kernel k = binary("gaps", TENON_OP_ADD);
  for (const char* name : {"cpu", "store"}) {
    const Device d(name);
    Floats x(d, 6, 10), y(d, 12, 0), out(d, 20, 100);
    // out[1 + 3 * i] = x[5 - i] + y[2 * i]
    launch(d, k, {x.operand(5, {-1}), y.operand(0, {2}), out.operand(1, {3})}, {6});
    std::vector<float> expected = out.host;
    for (size_t i = 0; i < 6; ++i) expected[1 + 3 * i] = x.host[5 - i] + y.host[2 * i];
    EXPECT_EQ(out.now(), expected) << name;
    EXPECT_EQ(x.now(), x.host);
  }
}

TEST(Fallback, TwoOutputsInOneBufferDoNotUndoEachOther) {
  Builder b;
  const Value x = b.input(DType::float32);
  Kernel k;
  k.name = "halves";
  k.program = b.finish(
      {b.emit(TENON_OP_NEG, DType::float32, x), b.emit(TENON_OP_MUL, DType::float32, x, x)});
  const Device d("store");
  Floats v(d, 8, 0), out(d, 16, 50);
  launch(d, k, {v.operand(0, {1}), out.operand(0, {2}), out.operand(1, {2})}, {8});
  const std::vector<float> got = out.now();
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(got[2 * i], -v.host[i]);
    EXPECT_EQ(got[2 * i + 1], v.host[i] * v.host[i]);
  }
}

TEST(Fallback, InPlaceAndBroadcastOperands) {
  const Kernel k = binary("in_place", TENON_OP_MUL);
  const Device d("store");
  Floats x(d, 6, 1), scale(d, 3, 2);
  launch(d, k, {x.operand(3, {-3, 1}), scale.operand(0, {0, 1}), x.operand(3, {-3, 1})}, {2, 3}, {},
         TENON_LAUNCH_MAY_ALIAS);
  EXPECT_EQ(x.now(), (std::vector<float>{2, 6, 12, 8, 15, 24}));
}

TEST(Fallback, ALaunchThatIsRefusedRunsOnTheHost) {
  const Kernel k = binary("refused_launch", TENON_OP_SUB);
  const Device d("full");
  Floats x(d, 4, 10), y(d, 4, 1), out(d, 4, 0);
  Full::counters().unsupported_launches = 1;
  launch(d, k, {x.operand(0, {1}), y.operand(0, {1}), out.operand(0, {1})}, {4});
  EXPECT_EQ(out.now(), (std::vector<float>(4, 9)));
  EXPECT_EQ(count_of(d, "refused_launch"), 1u);
}

TEST(Fallback, ARefusedPartRunsOnTheHostAlone) {
  const Kernel k = long_chain(25);
  const Device d("small");
  std::vector<float> expected;
  for (int refused : {0, 1, 2}) {
    Floats x(d, 4, 0.25f), y(d, 4, 0.5f), sum(d, 4, 0);
    Small::counters().unsupported_launches = refused;
    launch(d, k, {x.operand(0, {1}), y.operand(0, {1}), x.operand(0, {1}), sum.operand(0, {1})},
           {4}, {}, TENON_LAUNCH_MAY_ALIAS);
    std::vector<float> got = x.now();
    const std::vector<float> more = sum.now();
    got.insert(got.end(), more.begin(), more.end());
    if (expected.empty()) expected = got;
    EXPECT_EQ(got, expected) << refused;
  }
}

TEST(Fallback, CanBeForbidden) {
  const Kernel k = binary("forbidden", TENON_OP_DIV);
  const Device d("store");
  Floats x(d, 4, 0);
  setenv("TENON_FALLBACK", "error", 1);
  try {
    launch(d, k, {x.operand(0, {1}), x.operand(0, {1}), x.operand(0, {1})}, {4}, {},
           TENON_LAUNCH_MAY_ALIAS);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_EQ(e.operation(), "forbidden");
    EXPECT_HAS(e.what(),
               "store:0 does not support this (it stores data but computes nothing) and "
               "TENON_FALLBACK=error forbids");
  }
  EXPECT_EQ(count_of(d, "forbidden"), 0u);
  EXPECT_EQ(x.now(), x.host);
  setenv("TENON_FALLBACK", "silent", 1);
  launch(d, k, {x.operand(0, {1}), x.operand(0, {1}), x.operand(0, {1})}, {4}, {},
         TENON_LAUNCH_MAY_ALIAS);
  unsetenv("TENON_FALLBACK");
  EXPECT_EQ(count_of(d, "forbidden"), 1u);
}

TEST(Fallback, WarnsOncePerOperation) {
  const Kernel k = binary("warned", TENON_OP_MAX);
  const Device d("store");
  Floats x(d, 4, 0);
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i)
    launch(d, k, {x.operand(0, {1}), x.operand(0, {1}), x.operand(0, {1})}, {4}, {},
           TENON_LAUNCH_MAY_ALIAS);
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_HAS(text, "tenon warning: warned on store:0 runs on the host");
  EXPECT_EQ(text.find("warned"), text.rfind("warned on")) << text;
  EXPECT_EQ(count_of(d, "warned"), 3u);
}

TEST(Fallback, TheHostItselfHasNoneToFallBackTo) {
  const Kernel k = binary("nowhere", TENON_OP_REM);
  const Device d("cpu");
  Floats x(d, 4, 1);
  Host::counters().unsupported_launches = 1;
  EXPECT_THROW(launch(d, k, {x.operand(0, {1}), x.operand(0, {1}), x.operand(0, {1})}, {4}), Error);
}

TenonTensor matrix(const Floats& f, int64_t first, int64_t rows, int64_t columns,
                   int64_t row_stride, int64_t column_stride) {
  TenonTensor t{};
  t.buffer = f.memory.buffer;
  t.offset = f.memory.offset + static_cast<uint64_t>(first * 4);
  t.dtype = TENON_F32;
  t.rank = 2;
  t.sizes[0] = rows;
  t.sizes[1] = columns;
  t.strides[0] = row_stride;
  t.strides[1] = column_stride;
  return t;
}

TEST(Typed, MatmulOnTheDeviceAndOnTheHost) {
  std::vector<float> expected;
  for (const char* name : {"cpu", "full", "store"}) {
    const Device d(name);
    Floats a(d, 6, 1), b(d, 12, 0), c(d, 8, 70);
    TenonMatmulArgs args{};
    args.size = sizeof args;
    args.alpha = 1;
    args.a = matrix(a, 3, 2, 3, -3, 1);  // rows reversed
    args.b = matrix(b, 0, 3, 2, 2, 4);
    args.c = matrix(c, 0, 2, 2, 4, 2);  // gaps
    run_matmul(*d.state().default_stream, args);
    const std::vector<float> got = c.now();
    if (expected.empty()) {
      expected = c.host;
      for (int64_t i = 0; i < 2; ++i) {
        for (int64_t j = 0; j < 2; ++j) {
          float sum = 0;
          for (int64_t k = 0; k < 3; ++k)
            sum += a.host[static_cast<size_t>(3 - 3 * i + k)] *
                   b.host[static_cast<size_t>(2 * k + 4 * j)];
          expected[static_cast<size_t>(4 * i + 2 * j)] = sum;
        }
      }
    }
    EXPECT_EQ(got, expected) << name;
  }
  EXPECT_EQ(Full::counters().dry_runs, 1);
  EXPECT_EQ(Host::counters().dry_runs, 0);  // a host backend is not asked
  EXPECT_EQ(count_of(Device("store"), "matmul"), 1u);
}

TEST(Typed, GatherBringsItsFlagBack) {
  for (const char* name : {"cpu", "full", "store"}) {
    const Device d(name);
    Floats src(d, 5, 10), dst(d, 3, 0);
    const int64_t wanted[4] = {0, 4, 2, 99};  // the last slot is the flag
    const Memory index = allocate(d.state(), *d.state().default_stream, 32);
    for (int64_t third : {int64_t{2}, int64_t{5}}) {
      int64_t values[4] = {wanted[0], wanted[1], third, 0};
      copy_from_host(*d.state().default_stream, index.buffer, index.offset, values, 32);
      TenonIndexArgs args{};
      args.size = sizeof args;
      args.src = matrix(src, 0, 5, 1, 1, 1);
      args.dst = matrix(dst, 0, 3, 1, 1, 1);
      args.src.rank = args.dst.rank = 1;
      args.index.buffer = index.buffer;
      args.index.offset = index.offset;
      args.index.dtype = TENON_I64;
      args.index.rank = 1;
      args.index.sizes[0] = 3;
      args.index.strides[0] = 1;
      args.out_of_range = index.buffer;
      args.out_of_range_offset = index.offset + 24;
      run_gather(*d.state().default_stream, args);
      EXPECT_EQ(dst.now(), (std::vector<float>{10, 14, third == 2 ? 12.f : 10.f})) << name;
      copy_to_host(*d.state().default_stream, values, index.buffer, index.offset, 32);
      EXPECT_EQ(values[3], third == 2 ? 0 : 3) << name;
    }
    release(index);
  }
}

TEST(Typed, WhatNobodyCanDoSaysWhy) {
  const Device d("store");
  Floats a(d, 4, 1);
  TenonMatmulArgs args{};
  args.size = sizeof args;
  args.a = args.b = args.c = matrix(a, 0, 2, 2, 2, 1);
  args.a.dtype = TENON_F64;
  try {
    run_matmul(*d.state().default_stream, args);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_HAS(e.what(), "only f32 of rank 2");
  }
}

TEST(Mask, HidesEntriesAndOpcodes) {
  // Set by main, before the backend was registered.
  const Device d("masked");
  EXPECT_EQ(d.state().tables->tensor.matmul, nullptr);
  EXPECT_NE(d.state().tables->tensor.gather, nullptr);
  const Kernel hidden = binary("hidden", TENON_OP_POW), seen = binary("seen", TENON_OP_ADD);
  Floats x(d, 3, 1), y(d, 3, 2), out(d, 3, 0);
  launch(d, seen, {x.operand(0, {1}), y.operand(0, {1}), out.operand(0, {1})}, {3});
  EXPECT_EQ(count_of(d, "seen"), 0u);
  launch(d, hidden, {x.operand(0, {1}), y.operand(0, {1}), out.operand(0, {1})}, {3});
  EXPECT_EQ(out.now(), (std::vector<float>{1, 8, 81}));
  EXPECT_EQ(count_of(d, "hidden"), 1u);
}

}  // namespace
}  // namespace tenon

int main(int argc, char** argv) {
  setenv("TENON_MASK", "masked:matmul,masked:Pow,other:add", 1);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
