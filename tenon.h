// Everything of Tenon: tensors, operations, gradients, layers. Files and NumPy-like arrays:
// tenon/interop/*.h.
#ifndef TENON_TENON_H_
#define TENON_TENON_H_

#include "tenon/autograd/autograd.h"
#include "tenon/base/dtype.h"
#include "tenon/base/error.h"
#include "tenon/device/device.h"
#include "tenon/device/memory.h"
#include "tenon/device/stream.h"
#include "tenon/ops/complex.h"
#include "tenon/ops/create.h"
#include "tenon/ops/elementwise.h"
#include "tenon/ops/fuse.h"
#include "tenon/ops/index.h"
#include "tenon/ops/join.h"
#include "tenon/ops/layer_norm.h"
#include "tenon/ops/linear_algebra.h"
#include "tenon/ops/manipulate.h"
#include "tenon/ops/matmul.h"
#include "tenon/ops/nextafter.h"
#include "tenon/ops/random.h"
#include "tenon/ops/reduce.h"
#include "tenon/ops/scan.h"
#include "tenon/ops/search.h"
#include "tenon/ops/softmax.h"
#include "tenon/ops/sort.h"
#include "tenon/ops/unique.h"
#include "tenon/ops/views.h"
#include "tenon/tensor/print.h"
#include "tenon/tensor/tensor.h"

#endif  // TENON_TENON_H_
