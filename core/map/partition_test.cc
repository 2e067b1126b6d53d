#include "tenon/map/partition.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>

#include "tenon/base/error.h"
#include "tenon/map/builder.h"
#include "tenon/map/reference.h"

namespace tenon::map {
namespace {

using Random = std::mt19937_64;

size_t below(Random& random, size_t n) { return random() % n; }

constexpr DType kDTypes[] = {DType::float32, DType::float64, DType::int32, DType::bool_};

struct Shape {
  size_t inputs, scalars, instructions, outputs;
};

// A program of about so many instructions; its values are all recorded ones.
std::vector<Value> random_values(Random& random, Builder& b, const Shape& shape) {
  std::vector<Value> values;
  for (size_t i = 0; i < shape.inputs; ++i) values.push_back(b.input(kDTypes[below(random, 4)]));
  for (size_t i = 0; i < shape.scalars; ++i) values.push_back(b.scalar(kDTypes[below(random, 4)]));
  values.push_back(b.index());
  for (DType d : kDTypes) values.push_back(b.constant(static_cast<double>(below(random, 5)), d));
  // Mostly of late values, so that few are dead.
  auto pick = [&](DType d) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const size_t from = attempt < 10 && values.size() > 12 ? values.size() - 12 : 0;
      const Value v = values[from + below(random, values.size() - from)];
      if (v.dtype() == d) return v;
    }
    return b.constant(2, d);
  };
  while (b.size() < shape.instructions) {
    const DType d = kDTypes[below(random, 4)];
    const Value x = pick(d), y = pick(d);
    switch (below(random, 5)) {
      case 0:
        values.push_back(select(pick(DType::bool_), x, y));
        break;
      case 1:
        values.push_back(x < y);
        break;
      case 2:
        values.push_back(cast(x, kDTypes[below(random, 4)]));
        break;
      case 3:
        values.push_back(d == DType::bool_ ? x & y : is_floating(d) ? fma(x, y, pick(d)) : x - y);
        break;
      default:
        values.push_back(d == DType::bool_ ? x ^ y : x + y);
        break;
    }
  }
  return values;
}

Program random_program(Random& random, const Shape& shape) {
  Builder b;
  std::vector<Value> values = random_values(random, b, shape), outputs;
  for (size_t i = 0; i < shape.outputs; ++i)
    outputs.push_back(values[values.size() - 1 - below(random, values.size())]);
  outputs[0] = values.back();
  return b.finish(outputs);
}

Element random_element(Random& random, DType d) {
  if (d == DType::bool_) return integer(d, random() & 1);
  if (!is_floating(d)) return integer(d, static_cast<int>(below(random, 2001)) - 1000);
  return real(d, static_cast<long double>(static_cast<int>(below(random, 65536)) - 32768) / 1024);
}

std::vector<Element> random_elements(Random& random, const std::vector<DType>& dtypes) {
  std::vector<Element> result;
  for (DType d : dtypes) result.push_back(random_element(random, d));
  return result;
}

std::vector<Element> chosen(const std::vector<Element>& all, const std::vector<uint32_t>& which) {
  std::vector<Element> result;
  for (uint32_t i : which) result.push_back(all[i]);
  return result;
}

void expect_same(const Element& got, const Element& expected) {
  EXPECT_EQ(got.dtype, expected.dtype);
  EXPECT_EQ(bits_of(got), bits_of(expected));
}

void expect_fits(const Partition& partition, const Limits& limits) {
  for (const Part& part : partition.parts) {
    EXPECT_TRUE(fits(part.kernel, limits)) << text(part.kernel.program);
    EXPECT_EQ(part.inputs.size(), part.kernel.input_count());
    EXPECT_EQ(part.outputs.size(), part.kernel.output_count());
    EXPECT_EQ(part.scalars.size(), part.kernel.scalar_count());
    EXPECT_EQ(text(part.kernel.program), text(without_slopes(part.kernel.program)));
  }
}

// Memory cells of one element: what the parts read and write.
struct Memory {
  std::vector<Element> inputs, outputs, temporaries;
  std::vector<size_t> alias;  // of an output: the input whose memory it is, or kNone
  static constexpr size_t kNone = ~size_t{0};

  std::vector<Element> read(const Part& part) const {
    std::vector<Element> result;
    for (PartOperand from : part.inputs) {
      result.push_back(from.temporary ? temporaries[from.index] : inputs[from.index]);
      EXPECT_NE(result.back().dtype, DType::none) << "read before it was written";
    }
    return result;
  }
  void write(PartOperand to, const Element& value) {
    if (to.temporary) {
      temporaries[to.index] = value;
    } else {
      outputs[to.index] = value;
      if (alias[to.index] != kNone) inputs[alias[to.index]] = value;
    }
  }
};

TEST(Partition, PartsTogetherComputeTheWholeEvenInPlace) {
  Random random(1);
  size_t parts = 0, whole = 0;
  for (Limits limits : {Limits{8, 32, 4}, Limits{4, 8, 2}, Limits{16, 64, 8}, Limits{4, 4, 1}}) {
    for (int round = 0; round < 150; ++round) {
      const Shape shape{1 + below(random, 9), below(random, 7), 5 + below(random, 200),
                        1 + below(random, 9)};
      const Kernel kernel{"test", random_program(random, shape), {}, {}};
      const Partition split = partition(kernel, limits);
      expect_fits(split, limits);
      parts += split.parts.size();
      whole += split.parts.size() == 1;

      const std::vector<Element> scalars = random_elements(random, kernel.program.scalars);
      Memory memory;
      memory.inputs = random_elements(random, kernel.program.inputs);
      memory.outputs.resize(kernel.output_count());
      memory.temporaries.resize(split.temporaries.size());
      // Every output on an input of its own, as far as they go; what the dtypes are is of no
      // importance here.
      for (size_t i = 0; i < memory.inputs.size(); ++i) memory.alias.push_back(i);
      memory.alias.resize(std::max(kernel.output_count(), memory.alias.size()), Memory::kNone);
      std::shuffle(memory.alias.begin(), memory.alias.end(), random);

      const int64_t index = static_cast<int64_t>(below(random, 100));
      const auto expected =
          evaluate(kernel.program, memory.inputs, scalars, index, Rounding::kToDType);
      for (const Part& part : split.parts) {
        const auto results = evaluate(part.kernel.program, memory.read(part),
                                      chosen(scalars, part.scalars), index, Rounding::kToDType);
        for (size_t i = 0; i < results.size(); ++i) memory.write(part.outputs[i], results[i]);
      }
      for (size_t i = 0; i < expected.size(); ++i) expect_same(memory.outputs[i], expected[i]);
      if (HasFailure()) FAIL() << text(kernel.program);
    }
  }
  EXPECT_GT(parts, 3000u);
  EXPECT_GT(whole, 10u);
}

TEST(Partition, ReductionIsTheLastPart) {
  Random random(2);
  for (Limits limits : {Limits{8, 32, 4}, Limits{16, 64, 8}, Limits{6, 12, 2}}) {
    for (int round = 0; round < 150; ++round) {
      Builder b;
      const Shape shape{1 + below(random, 9), below(random, 5), 5 + below(random, 200), 0};
      const std::vector<Value> values = random_values(random, b, shape);
      Kernel kernel{
          "test", b.finish(values), {}, {}};  // all values: nothing is renumbered but leaves
      Builder epilogue;
      const size_t reducers = 1 + below(random, 3);
      std::vector<Value> results;
      for (size_t i = 0; i < kernel.program.scalars.size(); ++i)
        epilogue.scalar(kernel.program.scalars[i]);
      for (size_t i = 0; i < reducers; ++i) {
        const auto value =
            static_cast<uint16_t>(kernel.program.outputs[below(random, values.size())]);
        kernel.reducers.push_back({TENON_MAX, kernel.program.code[value].dtype, value, 0, 0});
        results.push_back(epilogue.input(static_cast<DType>(kernel.program.code[value].dtype)));
      }
      if (!kernel.program.scalars
               .empty()) {  // the epilogue has a slot, perhaps one that the program has not
        Builder again;
        const size_t slot = below(random, kernel.program.scalars.size());
        std::vector<Value> slots;
        for (DType d : kernel.program.scalars) slots.push_back(again.scalar(d));
        results.clear();
        for (const TenonReducer& r : kernel.reducers) {
          results.push_back(max(again.input(static_cast<DType>(r.acc_dtype)),
                                cast(slots[slot], static_cast<DType>(r.acc_dtype))));
        }
        kernel.epilogue = again.finish(results);
      } else {
        kernel.epilogue = epilogue.finish(results);
      }
      kernel.program.outputs.clear();

      if (kernel.epilogue.scalars.size() > limits.max_scalars) continue;
      const Partition split = partition(kernel, limits);
      const auto inputs = random_elements(random, kernel.program.inputs);
      const auto scalars = random_elements(random, kernel.program.scalars);
      const auto expected = evaluate_values(kernel.program, inputs, scalars, 7, Rounding::kToDType);
      Memory memory{inputs, {}, std::vector<Element>(split.temporaries.size()), {}};
      for (const Part& part : split.parts) {
        EXPECT_TRUE(fits(part.kernel, limits)) << text(part.kernel.program);
        EXPECT_EQ(part.kernel.is_reduction(), &part == &split.parts.back());
        const auto got = evaluate_values(part.kernel.program, memory.read(part),
                                         chosen(scalars, part.scalars), 7, Rounding::kToDType);
        if (!part.kernel.is_reduction()) {
          for (size_t i = 0; i < part.outputs.size(); ++i) {
            ASSERT_TRUE(part.outputs[i].temporary);
            memory.write(part.outputs[i], got[part.kernel.program.outputs[i]]);
          }
          continue;
        }
        Program delivering = part.kernel.program;
        for (const TenonReducer& r : part.kernel.reducers) delivering.outputs.push_back(r.value);
        if (split.parts.size() > 1) {  // as it is, the random program has dead code
          EXPECT_EQ(text(delivering), text(without_slopes(delivering)));
        }
        std::vector<Element> accumulators;
        for (size_t i = 0; i < reducers; ++i) {
          expect_same(got[part.kernel.reducers[i].value], expected[kernel.reducers[i].value]);
          accumulators.push_back(expected[kernel.reducers[i].value]);
        }
        const auto whole = evaluate(kernel.epilogue, accumulators, scalars, 0, Rounding::kToDType);
        const auto last = evaluate(part.kernel.epilogue, accumulators,
                                   chosen(scalars, part.scalars), 0, Rounding::kToDType);
        ASSERT_EQ(part.outputs.size(), whole.size());
        for (size_t i = 0; i < whole.size(); ++i) {
          EXPECT_FALSE(part.outputs[i].temporary);
          expect_same(last[i], whole[part.outputs[i].index]);
        }
      }
      if (HasFailure()) FAIL() << text(kernel.program);
    }
  }
}

TEST(Partition, WhatFitsStaysOnePart) {
  Builder b;
  const Value x = b.input(DType::float32), y = b.input(DType::float32);
  const Kernel kernel{"mul_add", b.finish({x * y + x, x - y}), {}, {}};
  const Partition split = partition(kernel, {8, 32, 4});
  ASSERT_EQ(split.parts.size(), 1u);
  EXPECT_EQ(split.parts[0].kernel, kernel);
  EXPECT_TRUE(split.temporaries.empty());
}

// A long chain has one live value everywhere: each cut costs one temporary.
TEST(Partition, ChainIsCutWithOneTemporaryEach) {
  Builder b;
  Value x = b.input(DType::float32);
  for (int i = 0; i < 100; ++i) x = sqrt(x);
  const Partition split = partition({"chain", b.finish({x}), {}, {}}, {8, 32, 4});
  EXPECT_EQ(split.temporaries.size(), split.parts.size() - 1);
  EXPECT_LE(split.parts.size(), 7u);
}

TEST(Partition, SaysWhyItRefuses) {
  Builder b;
  const Kernel kernel{"sqrt", b.finish({sqrt(b.input(DType::float32))}), {}, {}};
  try {
    partition(kernel, {3, 32, 4});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::kUnsupported);
    EXPECT_NE(std::string(e.what()).find("3 operands"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace tenon::map
