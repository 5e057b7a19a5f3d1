// Products, norms, exponentials and attention of a decoder, on processors with AVX-512.
//
// Weights and caches are float, or bfloat16 with float sums where the processor has such products.

#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int LANES = 16;
constexpr int COLUMNS = 4 * LANES;  // outputs of a tile
constexpr int ROWS = 6;             // rows of a tile: 24 sums, 4 weights and a factor fill the 32 registers

int up(int number, int step) { return (number + step - 1) / step * step; }

// How numbers that are multiplied are kept. `dot` adds to each lane `group` products: of the items at `factor`, the same
// for all lanes, and of the lane's own items.
struct Full {
    using Item = float;
    static constexpr int group = 1;
    static Item item(float number) { return number; }
    static __m512 dot(__m512 sum, const Item* factor, const Item* lanes) {
        return _mm512_fmadd_ps(_mm512_set1_ps(*factor), _mm512_loadu_ps(lanes), sum);
    }
};

#ifdef __AVX512BF16__
struct Half {
    using Item = uint16_t;
    static constexpr int group = 2;
    static Item item(float number) {  // rounded to nearest, ties to even
        uint32_t bits;
        std::memcpy(&bits, &number, sizeof bits);
        return static_cast<Item>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    }
    static __m512 dot(__m512 sum, const Item* factor, const Item* lanes) {
        int32_t pair;
        std::memcpy(&pair, factor, sizeof pair);
        return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)_mm512_loadu_si512(lanes));
    }
};
#endif

template <class T>
void round_all(const float* from, typename T::Item* to, int count) {
    for (int i = 0; i < count; i++) to[i] = T::item(from[i]);
}

__mmask16 first(int count) { return count >= LANES ? 0xffff : (1 << count) - 1; }  // of LANES lanes

struct Pair {
    const float* weight;  // (outputs, inputs); of a norm: (D,)
    const float* bias;
};

// A linear map: weights in the order in which `multiply` reads them, [block of COLUMNS][input group][column][group].
template <class T>
struct Linear {
    int steps = 0, blocks = 0;
    std::vector<typename T::Item> items;
    std::vector<float> bias;

    // Several pairs stand one below the other: outputs[i] rows of pairs[i], times factors[i].
    void pack(std::initializer_list<Pair> pairs, std::initializer_list<int> outputs, int inputs,
              std::initializer_list<float> factors) {
        int total = 0;
        for (int count : outputs) total += count;
        steps = up(inputs, T::group) / T::group;
        blocks = up(total, COLUMNS) / COLUMNS;
        items.assign(static_cast<size_t>(blocks) * steps * COLUMNS * T::group, 0);
        bias.assign(blocks * COLUMNS, 0.0f);
        int column = 0;
        for (size_t part = 0; part < pairs.size(); part++) {
            const Pair& pair = pairs.begin()[part];
            const float factor = factors.begin()[part];
            for (int row = 0; row < outputs.begin()[part]; row++, column++) {
                if (pair.bias) bias[column] = pair.bias[row] * factor;
                const float* weights = pair.weight + static_cast<size_t>(row) * inputs;
                auto* to = &items[(static_cast<size_t>(column / COLUMNS) * steps * COLUMNS + column % COLUMNS) * T::group];
                for (int i = 0; i < inputs; i++)
                    to[static_cast<size_t>(i / T::group) * COLUMNS * T::group + i % T::group] =
                        T::item(weights[i] * factor);
            }
        }
    }
};

template <class T, int R>
void tile(const typename T::Item* from, int from_stride, int steps, const typename T::Item* weights, const float* bias,
          float* to, int to_stride, bool add) {
    __m512 sums[R][4];
    for (int r = 0; r < R; r++)
        for (int c = 0; c < 4; c++) {
            sums[r][c] = _mm512_loadu_ps(bias + c * LANES);
            if (add) sums[r][c] = _mm512_add_ps(sums[r][c], _mm512_loadu_ps(to + r * to_stride + c * LANES));
        }
    for (int step = 0; step < steps; step++, weights += COLUMNS * T::group)
        for (int r = 0; r < R; r++)
            for (int c = 0; c < 4; c++)
                sums[r][c] = T::dot(sums[r][c], from + r * from_stride + step * T::group, weights + c * LANES * T::group);
    for (int r = 0; r < R; r++)
        for (int c = 0; c < 4; c++) _mm512_storeu_ps(to + r * to_stride + c * LANES, sums[r][c]);
}

// Rows of `to` become, or with `add` grow by, the map of rows of `from`; both strides hold the map's padded sizes.
template <class T>
void multiply(const Linear<T>& map, const typename T::Item* from, int from_stride, int rows, float* to, int to_stride,
              bool add = false) {
    constexpr decltype(&tile<T, 1>) tiles[] = {tile<T, 1>, tile<T, 2>, tile<T, 3>, tile<T, 4>, tile<T, 5>, tile<T, 6>};
    for (int block = 0; block < map.blocks; block++) {
        const auto* weights = &map.items[static_cast<size_t>(block) * map.steps * COLUMNS * T::group];
        for (int row = 0; row < rows; row += ROWS)
            tiles[std::min(ROWS, rows - row) - 1](from + static_cast<size_t>(row) * from_stride, from_stride, map.steps,
                                                 weights, &map.bias[block * COLUMNS],
                                                 to + static_cast<size_t>(row) * to_stride + block * COLUMNS, to_stride,
                                                 add);
    }
}

void normalise(const float* from, Pair norm, int width, float* to) {
    __m512 sum = _mm512_setzero_ps(), squares = _mm512_setzero_ps();
    for (int i = 0; i < width; i += LANES) sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(first(width - i), from + i));
    const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / width);
    for (int i = 0; i < width; i += LANES) {
        const __mmask16 real = first(width - i);
        const __m512 far = _mm512_maskz_sub_ps(real, _mm512_maskz_loadu_ps(real, from + i), mean);
        squares = _mm512_fmadd_ps(far, far, squares);
    }
    const __m512 scale = _mm512_set1_ps(1.0f / std::sqrt(_mm512_reduce_add_ps(squares) / width + 1e-5f));
    for (int i = 0; i < width; i += LANES) {
        const __mmask16 real = first(width - i);
        const __m512 unit = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(real, from + i), mean), scale);
        const __m512 weight = _mm512_maskz_loadu_ps(real, norm.weight + i);
        _mm512_mask_storeu_ps(to + i, real, _mm512_fmadd_ps(unit, weight, _mm512_maskz_loadu_ps(real, norm.bias + i)));
    }
}

__m512 exponential(__m512 x) {  // within 2 units in the last place, for x <= 0; far below, 0
    x = _mm512_max_ps(x, _mm512_set1_ps(-104.0f));
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 8);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693359375f), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(-2.12194440e-4f), r);
    __m512 sum = _mm512_set1_ps(1.0f / 720);
    for (float coefficient : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f})
        sum = _mm512_fmadd_ps(sum, r, _mm512_set1_ps(coefficient));
    return _mm512_scalef_ps(sum, n);
}

// Scores (padded to LANES) become exponentials of their distance to the greatest; returns their sum.
float soften(float* scores, int count) {
    for (int i = count; i < up(count, LANES); i++) scores[i] = -INFINITY;
    __m512 most = _mm512_set1_ps(-INFINITY), sum = _mm512_setzero_ps();
    for (int i = 0; i < count; i += LANES) most = _mm512_max_ps(most, _mm512_loadu_ps(scores + i));
    const __m512 greatest = _mm512_set1_ps(_mm512_reduce_max_ps(most));
    for (int i = 0; i < count; i += LANES) {
        const __m512 one = exponential(_mm512_sub_ps(_mm512_loadu_ps(scores + i), greatest));
        _mm512_storeu_ps(scores + i, one);
        sum = _mm512_add_ps(sum, one);
    }
    return _mm512_reduce_add_ps(sum);
}

// Keys and values of one row or source, of one layer, in the order in which `attend` reads them:
// keys [head][block of LANES positions][group of d][position][group], values [head][group of positions][d][group].
template <class T>
struct Memory {
    using Item = typename T::Item;
    int heads, depth, room;  // d, positions
    Item *keys, *values;

    static int steps(int depth) { return up(depth, T::group) / T::group; }
    static size_t key_items(int depth, int room) {
        return static_cast<size_t>(up(room, LANES)) * steps(depth) * T::group;
    }
    static size_t value_items(int depth, int room) {
        return static_cast<size_t>(up(room, T::group)) * up(depth, LANES);
    }
    static size_t items(int heads, int depth, int room) {
        return heads * (key_items(depth, room) + value_items(depth, room));
    }

    Memory(int heads, int depth, int room, Item* items)
        : heads(heads), depth(depth), room(room), keys(items), values(items + heads * key_items(depth, room)) {}

    // Positions are put in turn: 0, 1, 2, ...
    void put(int at, const float* key, const float* value) {
        for (int head = 0; head < heads; head++) {
            Item* to = keys + head * key_items(depth, room) +
                       (static_cast<size_t>(at / LANES) * steps(depth) * LANES + at % LANES) * T::group;
            for (int i = 0; i < up(depth, T::group); i++)
                to[static_cast<size_t>(i / T::group) * LANES * T::group + i % T::group] =
                    i < depth ? T::item(*key++) : Item(0);
            to = values + head * value_items(depth, room) +
                 static_cast<size_t>(at / T::group) * T::group * up(depth, LANES);
            for (int i = 0; i < up(depth, LANES); i++) {
                Item* place = to + i * T::group;
                if (at % T::group == 0) std::fill(place, place + T::group, Item(0));  // a weight of 0 on what is not there
                place[at % T::group] = i < depth ? T::item(*value++) : Item(0);
            }
        }
    }

    // Takes over the first `count` positions of another row.
    void copy(const Memory& from, int count) {
        for (int head = 0; head < heads; head++) {
            const size_t key = head * key_items(depth, room), value = head * value_items(depth, room);
            std::copy_n(from.keys + key, key_items(depth, count), keys + key);
            std::copy_n(from.values + value, value_items(depth, count), values + value);
        }
    }
};

// Products of the query with the keys of N blocks of LANES positions; several sums hide the latency.
template <class T, int N>
void score(const typename T::Item* query, const typename T::Item* keys, int steps, float* to) {
    constexpr int P = N >= 4 ? 1 : 4 / N;
    const int block = steps * LANES * T::group;
    __m512 sums[P][N];
    for (auto& some : sums)
        for (auto& sum : some) sum = _mm512_setzero_ps();
    int step = 0;
    for (; step + P <= steps; step += P)
        for (int p = 0; p < P; p++)
            for (int n = 0; n < N; n++)
                sums[p][n] = T::dot(sums[p][n], query + (step + p) * T::group,
                                    keys + n * block + (step + p) * LANES * T::group);
    for (; step < steps; step++)
        for (int n = 0; n < N; n++)
            sums[0][n] = T::dot(sums[0][n], query + step * T::group, keys + n * block + step * LANES * T::group);
    for (int n = 0; n < N; n++) {
        for (int p = 1; p < P; p++) sums[0][n] = _mm512_add_ps(sums[0][n], sums[p][n]);
        _mm512_storeu_ps(to + n * LANES, sums[0][n]);
    }
}

// Adds C chunks of 16 channels of the values, each position's times its weight.
template <class T, int C>
void mix(const typename T::Item* weights, const typename T::Item* values, int stride, int groups, float* to) {
    constexpr int P = C >= 4 ? 2 : 8 / C;
    __m512 sums[P][C];
    for (auto& some : sums)
        for (auto& sum : some) sum = _mm512_setzero_ps();
    int at = 0;
    for (; at + P <= groups; at += P)
        for (int p = 0; p < P; p++)
            for (int c = 0; c < C; c++)
                sums[p][c] = T::dot(sums[p][c], weights + (at + p) * T::group,
                                    values + static_cast<size_t>(at + p) * stride + c * LANES * T::group);
    for (; at < groups; at++)
        for (int c = 0; c < C; c++)
            sums[0][c] = T::dot(sums[0][c], weights + at * T::group,
                                values + static_cast<size_t>(at) * stride + c * LANES * T::group);
    for (int c = 0; c < C; c++) {
        for (int p = 1; p < P; p++) sums[0][c] = _mm512_add_ps(sums[0][c], sums[p][c]);
        _mm512_storeu_ps(to + c * LANES, sums[0][c]);
    }
}

template <class T>
struct Scratch {
    std::vector<float> scores, mixed;
    std::vector<typename T::Item> query, weights;
    Scratch(int room, int depth)
        : scores(up(room, 4 * LANES)), mixed(up(depth, LANES)), query(up(depth, T::group), 0),
          weights(up(room, 4 * LANES)) {}
};

// softmax(query . keys) . values over the first `count` positions; queries are scaled already. to: (D,).
template <class T>
void attend(const float* query, const Memory<T>& memory, int count, Scratch<T>& scratch, typename T::Item* to) {
    const int steps = Memory<T>::steps(memory.depth), blocks = up(count, LANES) / LANES;
    const int groups = up(count, T::group) / T::group, depth = up(memory.depth, LANES);
    const size_t block_items = static_cast<size_t>(steps) * LANES * T::group;
    for (int head = 0; head < memory.heads; head++, query += memory.depth, to += memory.depth) {
        const auto* keys = memory.keys + head * Memory<T>::key_items(memory.depth, memory.room);
        const auto* values = memory.values + head * Memory<T>::value_items(memory.depth, memory.room);
        round_all<T>(query, scratch.query.data(), memory.depth);
        const auto* left = keys;
        float* scores = scratch.scores.data();
        for (int block = 0; block < blocks;) {
            const int some = blocks - block >= 8 ? 8 : blocks - block >= 4 ? 4 : blocks - block >= 2 ? 2 : 1;
            (some == 8 ? score<T, 8> : some == 4 ? score<T, 4> : some == 2 ? score<T, 2> : score<T, 1>)(
                scratch.query.data(), left, steps, scores);
            block += some, left += some * block_items, scores += some * LANES;
        }
        const float whole = 1.0f / soften(scratch.scores.data(), count);  // what is past `count` is 0 now
        round_all<T>(scratch.scores.data(), scratch.weights.data(), up(count, LANES));
        for (int from = 0; from < depth;) {
            const auto* chunk = values + from * T::group;
            const int chunks = (depth - from) / LANES, stride = depth * T::group;
            float* mixed = scratch.mixed.data() + from;
            if (chunks >= 8) mix<T, 8>(scratch.weights.data(), chunk, stride, groups, mixed), from += 8 * LANES;
            else if (chunks >= 4) mix<T, 4>(scratch.weights.data(), chunk, stride, groups, mixed), from += 4 * LANES;
            else if (chunks >= 2) mix<T, 2>(scratch.weights.data(), chunk, stride, groups, mixed), from += 2 * LANES;
            else mix<T, 1>(scratch.weights.data(), chunk, stride, groups, mixed), from += LANES;
        }
        for (int i = 0; i < memory.depth; i++) to[i] = T::item(scratch.mixed[i] * whole);
    }
}

}  // namespace
