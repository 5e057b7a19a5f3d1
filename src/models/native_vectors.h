// Vectors of floats, as wide as the processor has them: the compiler's macros say so. AVX-512, AVX with or without FMA,
// Arm's NEON, and 16 bytes everywhere else.
//
// No compiler may join a product and a sum on its own (-ffp-contract=off): `fused` says where that happens, so that a
// row's numbers do not depend on how a loop around them was unrolled.

#pragma once

#if defined(__AVX__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>

namespace {

#if defined(__AVX512F__)
constexpr int LANES = 16, REGISTERS = 32;
#elif defined(__AVX__)
constexpr int LANES = 8, REGISTERS = 16;
#elif defined(__aarch64__)
constexpr int LANES = 4, REGISTERS = 32;
#else
constexpr int LANES = 4, REGISTERS = 16;
#endif

typedef float Floats __attribute__((vector_size(LANES * 4)));
typedef uint32_t Words __attribute__((vector_size(LANES * 4)));

int up(int number, int step) { return (number + step - 1) / step * step; }

Floats all(float number) { return number - Floats{}; }

Floats load(const float* from) {
    Floats lanes;
    std::memcpy(&lanes, from, sizeof lanes);
    return lanes;
}

Floats load(const float* from, int count, float past = 0.0f) {  // `past` in the lanes from `count` on
    if (count >= LANES) return load(from);
    Floats lanes = all(past);
    std::memcpy(&lanes, from, count * sizeof(float));
    return lanes;
}

void store(float* to, Floats lanes) { std::memcpy(to, &lanes, sizeof lanes); }

void store(float* to, Floats lanes, int count) {
    if (count >= LANES) return store(to, lanes);
    std::memcpy(to, &lanes, count * sizeof(float));
}

Floats fused(Floats a, Floats b, Floats sum) {  // a * b + sum, rounded once where the processor can
#if defined(__AVX512F__)
    return _mm512_fmadd_ps(a, b, sum);
#elif defined(__FMA__)
    return _mm256_fmadd_ps(a, b, sum);
#elif defined(__aarch64__)
    return vfmaq_f32(sum, a, b);
#else
    return a * b + sum;
#endif
}

Floats greater(Floats a, Floats b) { return a > b ? a : b; }  // b, where one of them is no number

// Of all lanes, half with half.
template <class Lanes, class Join>
float reduce(Lanes lanes, Join join) {
    if constexpr (sizeof(Lanes) == 16) {
        return join(join(lanes[0], lanes[2]), join(lanes[1], lanes[3]));
    } else {
        typedef float Half __attribute__((vector_size(sizeof(Lanes) / 2)));
        Half halves[2];
        std::memcpy(halves, &lanes, sizeof lanes);
        return reduce(join(halves[0], halves[1]), join);
    }
}

float sum_of(Floats lanes) {
    return reduce(lanes, [](auto a, auto b) { return a + b; });
}

float greatest_of(Floats lanes) {
    return reduce(lanes, [](auto a, auto b) { return a > b ? a : b; });
}

// exp(x) within 3 units in the last place, for x <= 0; 0 where it is below 2^-124 or x is no number.
Floats exponential(Floats x) {
    const Floats shift = all(12582912.0f);  // 1.5 * 2^23: a sum with it has its integer part in its last bits
    const Floats shifted = fused(x, all(1.44269504f), shift);
    const Floats n = shifted - shift;
    Floats r = fused(n, all(-0.693359375f), x);
    r = fused(n, all(2.12194440e-4f), r);
    Floats sum = all(1.0f / 720);
    for (float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) sum = fused(sum, r, all(coefficient));
    const Floats power = (Floats)((Words)sum + ((Words)shifted << 23));  // sum * 2^n: n is added to its exponent
    return x > all(-86.0f) ? power : Floats{};
}

// How numbers that are multiplied are kept. `dot` adds to each lane `group` products: of the items at `factor`, the same
// for all lanes, and of the lane's own items.
struct Full {
    using Item = float;
    static constexpr int group = 1;
    static Item item(float number) { return number; }
    static Floats dot(Floats sum, const Item* factor, const Item* lanes) {
        return fused(all(*factor), load(lanes), sum);
    }
};

// bfloat16 with float sums, where the processor has such products.
#if defined(__AVX512BF16__) || defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
struct Half {
    using Item = uint16_t;
    static constexpr int group = 2;
    static Item item(float number) {  // rounded to nearest, ties to even
        uint32_t bits;
        std::memcpy(&bits, &number, sizeof bits);
        return static_cast<Item>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    static Floats dot(Floats sum, const Item* factor, const Item* lanes) {
        int32_t pair;
        std::memcpy(&pair, factor, sizeof pair);
#if defined(__AVX512BF16__)
        return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)_mm512_loadu_si512(lanes));
#else
        return vbfdotq_f32(sum, vreinterpretq_bf16_s32(vdupq_n_s32(pair)), vreinterpretq_bf16_u16(vld1q_u16(lanes)));
#endif
    }
};
#else
using Half = Full;
#endif

}  // namespace
