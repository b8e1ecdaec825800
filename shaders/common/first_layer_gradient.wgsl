// Gradient of the first layer's weights and biases for one tile, straight from dz in registers: every row of
// tiles writes its own partial sum. Included inside `main` with dz{i}_{j}, row, column and tower in scope.
  {
    let partial = row / TILE_SAMPLES * (SMALL_LENGTH / 4u);
    let first_weight = partial + (FIRST_WEIGHT + tower * FIRST_STRIDE) / 4u + column * OBSERVATION_BLOCKS * 4u;
#for i in 0..TILE_SAMPLES
    let s{i} = gather_rows(row + {i}u);
#end
    for (var k = 0u; k < OBSERVATION_BLOCKS; k++) {
#for i in 0..TILE_SAMPLES
      let x{i} = gather_block(s{i}, k);
#end
#for j in 0..TILE_OUTPUTS
      var g{j} = mat4x4f();
#for i in 0..TILE_SAMPLES
      g{j} += x{i} * transpose(dz{i}_{j});
#end
      let at{j} = first_weight + ({j}u * OBSERVATION_BLOCKS + k) * 4u;
      partials[at{j}] = g{j}[0];
      partials[at{j} + 1u] = g{j}[1];
      partials[at{j} + 2u] = g{j}[2];
      partials[at{j} + 3u] = g{j}[3];
#end
    }
    let first_bias = partial + (FIRST_BIAS + tower * FIRST_STRIDE) / 4u + column;
#for j in 0..TILE_OUTPUTS
    var bias_gradient{j} = vec4f();
#for i in 0..TILE_SAMPLES
    bias_gradient{j} += (dz{i}_{j}[0] + dz{i}_{j}[1]) + (dz{i}_{j}[2] + dz{i}_{j}[3]);
#end
    partials[first_bias + {j}u] = bias_gradient{j};
#end
  }
