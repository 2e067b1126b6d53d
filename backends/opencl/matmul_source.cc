#include "backends/opencl/typed_entries.h"

namespace tenon_opencl {

// Before it stand: T (what is stored), ACC (what is summed in), LOAD(x), STORE(x), MAD(sum, a, b),
// ADD(a, b), SCALED(x, bits), RELU(x); NAME; for a GPU PER (each work item's square of c); WHOLE
// where unrolling is worth its time in the compiler. Either way the sum over k is in order: the
// same bits every time.
const char kMatmulSource[] = R"source(
typedef struct {
  i64 m, n, k, batches, batch_rank, sizes[6];
  u64 alpha, beta;  // bits of ACC
  i64 has_beta, has_bias, relu;
  struct { i64 start, row, column, batch[6]; } a, b, c, bias;
} Matmul;

DEVICE void finish(GLOBAL T* to, GLOBAL const T* bias, ACC sum, const Matmul* x) {
  ACC result = SCALED(sum, x->alpha);
  if (x->has_beta) result = ADD(result, SCALED(LOAD(*to), x->beta));
  if (x->has_bias) result = ADD(result, LOAD(*bias));
  *to = STORE(x->relu ? RELU(result) : result);
}

#ifdef PER
// A group of 16 x 16 work items makes a square of c of TILE x TILE, in steps of 16 along k that go
// through local memory.
#define SIDE 16
#define TILE (SIDE * PER)
#define STEP 16

__attribute__((reqd_work_group_size(SIDE * SIDE, 1, 1)))
KERNEL NAME(GLOBAL const T* a, GLOBAL const T* b, GLOBAL T* c, GLOBAL const T* bias, const Matmul x) {
  LOCAL ACC left[STEP][TILE + 1], right[STEP][TILE + 1];  // + 1: neighbours in different banks
  const i32 row = LOCAL_ID / SIDE, column = LOCAL_ID % SIDE;
  const i64 tiles_m = (x.m + TILE - 1) / TILE, tiles_n = (x.n + TILE - 1) / TILE;
  // Which way neighbouring work items read: along what lies densely.
  const i32 a_by_k = x.a.column == 1, b_by_k = x.b.row == 1;
  for (i64 tile = GROUP_ID; tile < x.batches * tiles_m * tiles_n; tile += GROUP_COUNT) {
    const i64 first_n = tile % tiles_n * TILE, first_m = tile / tiles_n % tiles_m * TILE;
    i64 at_a = x.a.start, at_b = x.b.start, at_c = x.c.start, at_bias = x.bias.start;
    i64 rest = tile / tiles_n / tiles_m;
    for (i32 d = (i32)x.batch_rank; d-- > 0; rest /= x.sizes[d]) {
      const i64 position = rest % x.sizes[d];
      at_a += position * x.a.batch[d];
      at_b += position * x.b.batch[d];
      at_c += position * x.c.batch[d];
      at_bias += position * x.bias.batch[d];
    }
    ACC sum[PER][PER];
    for (i32 i = 0; i < PER; ++i)
      for (i32 j = 0; j < PER; ++j) sum[i][j] = (ACC)0;
    for (i64 first_k = 0; first_k < x.k; first_k += STEP) {
      for (i32 e = LOCAL_ID; e < TILE * STEP; e += SIDE * SIDE) {
        const i32 ra = a_by_k ? e / STEP : e % TILE, ka = a_by_k ? e % STEP : e / TILE;
        const i32 cb = b_by_k ? e / STEP : e % TILE, kb = b_by_k ? e % STEP : e / TILE;
        const i64 i = first_m + ra, ki = first_k + ka, kj = first_k + kb, j = first_n + cb;
        left[ka][ra] = i < x.m && ki < x.k ? LOAD(a[at_a + i * x.a.row + ki * x.a.column]) : (ACC)0;
        right[kb][cb] = j < x.n && kj < x.k ? LOAD(b[at_b + kj * x.b.row + j * x.b.column]) : (ACC)0;
      }
      BARRIER();
      for (i32 k = 0; k < STEP; ++k) {
#pragma unroll
        for (i32 i = 0; i < PER; ++i)
#pragma unroll
          for (i32 j = 0; j < PER; ++j)
            sum[i][j] = MAD(sum[i][j], left[k][row + i * SIDE], right[k][column + j * SIDE]);
      }
      BARRIER();
    }
    for (i32 p = 0; p < PER; ++p) {
      for (i32 q = 0; q < PER; ++q) {
        const i64 i = first_m + row + p * SIDE, j = first_n + column + q * SIDE;
        if (i >= x.m || j >= x.n) continue;
        finish(c + at_c + i * x.c.row + j * x.c.column,
               bias + at_bias + i * x.bias.row + j * x.bias.column, sum[p][q], &x);
      }
    }
  }
}

#else
// A CPU: a work item makes ROWS x COLUMNS of c, the columns being the lanes of its vectors.
#define ROWS 4
#define COLUMNS 16

KERNEL NAME(GLOBAL const T* a, GLOBAL const T* b, GLOBAL T* c, GLOBAL const T* bias, const Matmul x) {
  const i64 tiles_m = (x.m + ROWS - 1) / ROWS, tiles_n = (x.n + COLUMNS - 1) / COLUMNS;
  for (i64 tile = GLOBAL_ID; tile < x.batches * tiles_m * tiles_n; tile += GLOBAL_SIZE) {
    const i64 first_n = tile % tiles_n * COLUMNS, first_m = tile / tiles_n % tiles_m * ROWS;
    const i64 rows = x.m - first_m < ROWS ? x.m - first_m : ROWS;
    const i64 columns = x.n - first_n < COLUMNS ? x.n - first_n : COLUMNS;
    i64 at_a = x.a.start + first_m * x.a.row, at_b = x.b.start + first_n * x.b.column;
    i64 at_c = x.c.start, at_bias = x.bias.start, rest = tile / tiles_n / tiles_m;
    for (i32 d = (i32)x.batch_rank; d-- > 0; rest /= x.sizes[d]) {
      const i64 position = rest % x.sizes[d];
      at_a += position * x.a.batch[d];
      at_b += position * x.b.batch[d];
      at_c += position * x.c.batch[d];
      at_bias += position * x.bias.batch[d];
    }
    ACC sum[ROWS][COLUMNS];
    for (i32 i = 0; i < ROWS; ++i)
      for (i32 j = 0; j < COLUMNS; ++j) sum[i][j] = (ACC)0;
#ifdef WHOLE
    if (rows == ROWS && columns == COLUMNS && x.b.column == 1) {
      ACC whole[ROWS][COLUMNS];  // only ever indexed by constants, so it stays in registers
#pragma unroll
      for (i32 i = 0; i < ROWS; ++i)
#pragma unroll
        for (i32 j = 0; j < COLUMNS; ++j) whole[i][j] = (ACC)0;
      for (i64 k = 0; k < x.k; ++k, at_a += x.a.column, at_b += x.b.row) {
#pragma unroll
        for (i32 i = 0; i < ROWS; ++i) {
          const ACC left = LOAD(a[at_a + i * x.a.row]);
#pragma unroll
          for (i32 j = 0; j < COLUMNS; ++j)
            whole[i][j] = MAD(whole[i][j], left, LOAD(b[at_b + j]));
        }
      }
#pragma unroll
      for (i32 i = 0; i < ROWS; ++i)
#pragma unroll
        for (i32 j = 0; j < COLUMNS; ++j) sum[i][j] = whole[i][j];
    } else
#endif
    {
      for (i64 k = 0; k < x.k; ++k, at_a += x.a.column, at_b += x.b.row) {
        for (i32 i = 0; i < rows; ++i) {
          const ACC left = LOAD(a[at_a + i * x.a.row]);
          for (i32 j = 0; j < columns; ++j)
            sum[i][j] = MAD(sum[i][j], left, LOAD(b[at_b + j * x.b.column]));
        }
      }
    }
    for (i32 p = 0; p < rows; ++p) {
      for (i32 q = 0; q < columns; ++q) {
        const i64 i = first_m + p, j = first_n + q;
        finish(c + at_c + i * x.c.row + j * x.c.column,
               bias + at_bias + i * x.bias.row + j * x.bias.column, sum[p][q], &x);
      }
    }
  }
}
#endif
)source";

}  // namespace tenon_opencl
